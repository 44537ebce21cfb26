package clients;

import java.net.URI;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;

/** The address of DATABASE_URL as JDBC writes it. */
final class Database {
    static String jdbcUrl() {
        URI url = URI.create(System.getenv("DATABASE_URL"));
        String user = url.getUserInfo() == null ? "postgres" : url.getUserInfo();
        return "jdbc:postgresql://" + url.getHost() + ":" + url.getPort() + url.getPath() + "?user=" + user;
    }

    static Connection connect() throws SQLException {
        Connection connection = DriverManager.getConnection(jdbcUrl());
        connection.setAutoCommit(false);
        return connection;
    }

    private Database() {}
}
