package clients;

import java.util.Arrays;
import org.springframework.boot.SpringApplication;

/**
 * A writer and two consumers in Java.
 *
 * <pre>
 * java -jar java-client.jar writer WAY ORDER CHANGES     WAY is raw, helper, batch or entity; DATABASE_URL says where
 * java -jar java-client.jar consumer                     amqp-client; DATABASE_URL, AMQP_URL, QUEUE and CONSUMER say where and who
 * java -jar java-client.jar spring                       the same with Spring Boot
 * </pre>
 */
public final class Main {
    public static void main(String[] args) throws Exception {
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        switch (args[0]) {
            case "writer" -> {
                if (rest[0].equals("entity")) {
                    EntityWriter.main(rest);
                } else {
                    JdbcWriter.main(rest);
                }
            }
            case "consumer" -> AmqpConsumer.main(rest);
            case "spring" -> SpringApplication.run(SpringConsumer.class, rest);
            default -> throw new IllegalArgumentException("writer, consumer or spring, not " + args[0]);
        }
    }

    private Main() {}
}
