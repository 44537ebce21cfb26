package clients;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.LockModeType;
import java.util.Map;
import org.hibernate.cfg.Configuration;

/** An order and its event as entities of Hibernate. */
final class EntityWriter {
    private static final ObjectMapper JSON = new ObjectMapper();

    static void main(String[] args) throws JsonProcessingException {
        try (EntityManagerFactory factory = new Configuration()
                        .addAnnotatedClass(OrderEntity.class)
                        .addAnnotatedClass(EventEntity.class)
                        .setProperty("jakarta.persistence.jdbc.url", Database.jdbcUrl())
                        .buildSessionFactory();
                EntityManager entities = factory.createEntityManager()) {
            for (int n = 0; n < Integer.parseInt(args[2]); n++) {
                write(entities, args[1]);
            }
        }
    }

    private static void write(EntityManager entities, String orderId) throws JsonProcessingException {
        entities.getTransaction().begin();
        try {
            // The lock: others of this order wait here.
            OrderEntity order = entities.find(OrderEntity.class, orderId, LockModeType.PESSIMISTIC_WRITE);
            OrderChanged changed = order.change();
            entities.flush(); // before the event is persisted: Hibernate inserts first and updates later
            Trace trace = Trace.next();
            EventEntity event = new EventEntity();
            event.aggregateType = "Order";
            event.aggregateId = orderId;
            event.eventType = "order.changed";
            event.payload = JSON.writeValueAsString(changed);
            event.headers = JSON.writeValueAsString(Map.of("traceparent", trace.parent()));
            event.correlationId = trace.id();
            entities.persist(event);
            entities.getTransaction().commit();
        } catch (RuntimeException | JsonProcessingException error) {
            entities.getTransaction().rollback();
            throw error;
        } finally {
            entities.clear(); // the next transaction reads the order anew
        }
    }

    private EntityWriter() {}
}
