package clients;

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;

/** A consumer with amqp-client: one message after the other, tried again in place, acknowledged after COMMIT. */
final class AmqpConsumer {
    private static final int ATTEMPTS = 5;

    static void main(String[] args) throws Exception {
        Connection database = Database.connect();
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv("AMQP_URL"));
        Channel channel = factory.newConnection().createChannel();
        channel.basicQos(50);
        // A channel calls its consumer from one thread, in the order of delivery.
        channel.basicConsume(System.getenv("QUEUE"), false, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, BasicProperties properties, byte[] body)
                    throws IOException {
                settle(database, getChannel(), envelope, properties, body);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> channel.getConnection().abort()));
    }

    private static void settle(
            Connection database, Channel channel, Envelope envelope, BasicProperties properties, byte[] body)
            throws IOException {
        String traceparent = String.valueOf(properties.getHeaders().get("traceparent"));
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                Handler.handle(database, properties.getMessageId(), properties.getType(), traceparent, body);
                channel.basicAck(envelope.getDeliveryTag(), false);
                return;
            } catch (SQLException error) {
                System.out.printf("attempt %d at %s: %s%n", attempt + 1, properties.getMessageId(), error.getMessage());
                pause(100L << attempt);
            }
        }
        // The queue's dead-letter exchange takes it; later events of this order go on without it.
        channel.basicReject(envelope.getDeliveryTag(), false);
    }

    private static void pause(long milliseconds) throws IOException {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", error);
        }
    }

    private AmqpConsumer() {}
}
