# The relay's image: one static program on a base without a shell, run by a user that owns nothing.
# `make image` builds it. BUILDER needs cargo, a C compiler and make. RUNTIME needs nothing; `scratch` works.

ARG BUILDER=docker.io/library/rust:1.88-bookworm
ARG RUNTIME=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
# Cargo features, separated by commas: `opentelemetry`.
ARG FEATURES=
WORKDIR /src
COPY . .
# Static, so that the base may be empty: since 2.34, glibc's resolver for files and DNS can be linked in.
ENV RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_PROFILE_RELEASE_STRIP=symbols
# Name the target, because proc macros cannot be static.
RUN --mount=type=cache,target=/src/target \
    host=$(rustc --print host-tuple) \
    && cargo build --release --locked --bin outbox-relay --features "$FEATURES" --target "$host" \
    && cp "target/$host/release/outbox-relay" /outbox-relay

FROM ${RUNTIME}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="outbox-relay" \
      org.opencontainers.image.description="Publishes the rows of a PostgreSQL outbox table to RabbitMQ, in order per aggregate, with publisher confirms" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build --chown=0:0 --chmod=0555 /outbox-relay /usr/local/bin/outbox-relay
COPY --from=build --chown=0:0 --chmod=0444 /src/LICENSE-APACHE /src/LICENSE-MIT /usr/share/doc/outbox-relay/
# By number, so that Kubernetes can check runAsNonRoot.
USER 10001:10001
EXPOSE 9632
# SIGTERM, the default, drains.
ENTRYPOINT ["/usr/local/bin/outbox-relay"]
CMD ["run"]
