package clients;

import com.fasterxml.jackson.annotation.JsonFormat;
import java.math.BigDecimal;

/** The payload. Money is text: a reader's double would turn 50.10 into 50.1. */
record OrderChanged(String orderId, int version, @JsonFormat(shape = JsonFormat.Shape.STRING) BigDecimal total) {}
