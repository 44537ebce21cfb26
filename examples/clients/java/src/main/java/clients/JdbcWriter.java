package clients;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** An order and its event in one transaction, with JDBC. */
final class JdbcWriter {
    private static final String CHANGE =
            "UPDATE orders SET version = version + 1, total = total + 10 WHERE id = ? RETURNING version, total";
    private static final String INSERT = """
            INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id)
            VALUES ('Order', ?, 'order.changed', cast(? AS json), cast(? AS json), ?)""";
    // A procedure: executeUpdate refuses the result of a SELECT outbox.emit(…).
    private static final String APPEND =
            "CALL outbox.append('Order', ?, 'order.changed', ?, headers => ?, correlation_id => ?)";

    private static final ObjectMapper JSON = new ObjectMapper();

    static void main(String[] args) throws SQLException, JsonProcessingException {
        String way = args[0];
        String order = args[1];
        int changes = Integer.parseInt(args[2]);
        try (Connection connection = Database.connect()) {
            if (way.equals("batch")) {
                write(connection, INSERT, order, changes);
                return;
            }
            for (int n = 0; n < changes; n++) {
                write(connection, way.equals("helper") ? APPEND : INSERT, order, 1);
            }
        }
    }

    /** One transaction with some changes of one order. A JDBC batch inserts in the order in which it was filled. */
    private static void write(Connection connection, String statement, String order, int changes)
            throws SQLException, JsonProcessingException {
        Trace trace = Trace.next();
        try (PreparedStatement change = connection.prepareStatement(CHANGE);
                PreparedStatement insert = connection.prepareStatement(statement)) {
            for (int n = 0; n < changes; n++) {
                insert.setString(1, order);
                insert.setString(2, JSON.writeValueAsString(change(change, order))); // first: it locks the order
                insert.setString(3, "{\"traceparent\": \"" + trace.parent() + "\"}");
                insert.setString(4, trace.id());
                if (changes > 1) {
                    insert.addBatch();
                } else {
                    insert.executeUpdate();
                }
            }
            if (changes > 1) {
                insert.executeBatch();
            }
            connection.commit();
        } catch (SQLException | JsonProcessingException error) {
            connection.rollback();
            throw error;
        }
    }

    private static OrderChanged change(PreparedStatement change, String order) throws SQLException {
        change.setString(1, order);
        try (ResultSet changed = change.executeQuery()) {
            changed.next();
            return new OrderChanged(order, changed.getInt(1), changed.getBigDecimal(2));
        }
    }

    private JdbcWriter() {}
}
