package clients;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.util.UUID;
import org.hibernate.annotations.ColumnTransformer;
import org.hibernate.annotations.Immutable;

/**
 * A row of the outbox. Only the columns of the writer are mapped: seq, lane, published_at, replay_id and only_routes are the relay's.
 *
 * <p>{@code @Immutable}: an attribute that is not equal to itself after a round trip through JSON would be UPDATEd, which a writer may not.
 * The payload is text that PostgreSQL casts, so that Hibernate cannot reorder it.
 */
@Entity
@Immutable
@Table(schema = "outbox", name = "events")
class EventEntity {
    @Id
    UUID id = UUID.randomUUID();

    @Column(name = "aggregate_type")
    String aggregateType;

    @Column(name = "aggregate_id")
    String aggregateId;

    @Column(name = "event_type")
    String eventType;

    @ColumnTransformer(write = "cast(? as json)")
    String payload;

    @ColumnTransformer(write = "cast(? as json)")
    String headers;

    @Column(name = "correlation_id")
    String correlationId;
}
