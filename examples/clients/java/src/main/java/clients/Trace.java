package clients;

import java.security.SecureRandom;
import java.util.HexFormat;

/** Stands for OpenTelemetry's {@code propagator.inject(context, carrier, setter)}. */
record Trace(String id, String span) {
    static Trace next() {
        byte[] random = new byte[24];
        new SecureRandom().nextBytes(random);
        String hex = HexFormat.of().formatHex(random);
        return new Trace(hex.substring(0, 32), hex.substring(32));
    }

    /** The header {@code traceparent}. */
    String parent() {
        return "00-" + id + "-" + span + "-01";
    }
}
