package clients;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.math.BigDecimal;

/** An order; its version is its own count here, not JPA's {@code @Version}. */
@Entity
@Table(name = "orders")
class OrderEntity {
    @Id
    String id;

    int version;

    @Column(precision = 12, scale = 2)
    BigDecimal total;

    OrderChanged change() {
        version++;
        total = total.add(BigDecimal.TEN);
        return new OrderChanged(id, version, total);
    }
}
