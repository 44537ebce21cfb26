package clients;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageProperties;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.jdbc.DataSourceAutoConfiguration;
import org.springframework.boot.autoconfigure.orm.jpa.HibernateJpaAutoConfiguration;
import org.springframework.stereotype.Component;

/** A consumer with Spring Boot; application.properties keeps it to one thread and has failures tried again in place. */
@SpringBootApplication(exclude = {DataSourceAutoConfiguration.class, HibernateJpaAutoConfiguration.class})
class SpringConsumer {
    @Component
    static class Listener {
        private final Connection database = Database.connect();

        Listener() throws SQLException {}

        // The raw message: a converter by content type would want a class for __TypeId__.
        @RabbitListener(queues = "${QUEUE}")
        void on(Message message) throws SQLException, IOException {
            MessageProperties properties = message.getMessageProperties();
            String traceparent = properties.getHeader("traceparent");
            Handler.handle(database, properties.getMessageId(), properties.getType(), traceparent, message.getBody());
        }
    }
}
