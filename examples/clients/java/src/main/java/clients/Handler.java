package clients;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/** What both consumers do with one message: the mark and the effect in one transaction. */
final class Handler {
    private static final String MARK =
            "INSERT INTO inbox.handled_messages (consumer, message_id) VALUES (?, ?) ON CONFLICT DO NOTHING";
    private static final String EFFECT = "INSERT INTO effects (consumer, order_id, version, event_type, total, trace_id) "
            + "VALUES (?, ?, ?, ?, ?, ?)";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CONSUMER = System.getenv("CONSUMER");

    /** Commits or rolls back; a copy of what was handled before changes nothing. */
    static void handle(Connection connection, String messageId, String type, String traceparent, byte[] body)
            throws SQLException, IOException {
        JsonNode payload = JSON.readTree(body).get("payload");
        String traceId = traceparent.split("-")[1]; // OpenTelemetry: propagator.extract(context, carrier, getter)
        try (PreparedStatement mark = connection.prepareStatement(MARK);
                PreparedStatement effect = connection.prepareStatement(EFFECT)) {
            mark.setString(1, CONSUMER);
            mark.setString(2, messageId);
            if (mark.executeUpdate() == 1) {
                effect.setString(1, CONSUMER);
                effect.setString(2, payload.get("orderId").asText());
                effect.setInt(3, payload.get("version").asInt());
                effect.setString(4, type);
                effect.setBigDecimal(5, new BigDecimal(payload.get("total").asText()));
                effect.setString(6, traceId);
                effect.executeUpdate();
            }
            connection.commit();
        } catch (SQLException error) {
            connection.rollback();
            throw error;
        }
    }

    private Handler() {}
}
