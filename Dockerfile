# The relay's image: one static program on a base without a shell, run by a user that owns nothing.
# `make image` builds it. BUILDER needs cargo, a C compiler and make. RUNTIME needs nothing; `scratch` works.

ARG BUILDER=docker.io/library/rust:1.88-bookworm
ARG RUNTIME=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILDER} AS build
# Cargo features, separated by commas: `opentelemetry`.
ARG FEATURES=
WORKDIR /src
COPY . .
# Static, so that the base may be empty: since 2.34, glibc's resolver for files and DNS can be linked in. The two prefix maps keep
# paths of the build machine out of the program, for Rust and for C.
ENV RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo/registry/src=registry" \
    CFLAGS="-ffile-prefix-map=/src=. -ffile-prefix-map=/usr/local/cargo/registry/src=registry" \
    CARGO_PROFILE_RELEASE_STRIP=symbols
# Some arm64 kernels have pages of 64 KiB, and jemalloc aborts where pages are larger than it was built for.
# Name the target, because proc macros cannot be static.
RUN --mount=type=cache,target=/src/target \
    host=$(rustc --print host-tuple) \
    && case "$host" in aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac \
    && cargo build --release --locked --bin outbox-relay --features "$FEATURES" --target "$host" \
    && cp "target/$host/release/outbox-relay" /outbox-relay
# The licences of every crate that was fetched, and of the C code in them.
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /usr/local/cargo/registry/src
RUN find . -mindepth 3 -maxdepth 4 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | LC_ALL=C sort \
    | while read -r file; do printf '\n==== %s\n\n' "${file#./*/}"; cat "$file"; done | gzip --no-name --best > /THIRD-PARTY.txt.gz

FROM ${RUNTIME}
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="outbox-relay" \
      org.opencontainers.image.description="Publishes the rows of a PostgreSQL outbox table to RabbitMQ, in order per aggregate, with publisher confirms" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build --chown=0:0 --chmod=0555 /outbox-relay /usr/local/bin/outbox-relay
COPY --from=build --chown=0:0 --chmod=0444 /src/LICENSE-APACHE /src/LICENSE-MIT /THIRD-PARTY.txt.gz /usr/share/doc/outbox-relay/
# By number, so that Kubernetes can check runAsNonRoot.
USER 10001:10001
EXPOSE 9632
# For Docker and compose; Kubernetes has its own probes. The OCI image format has no health check, so `dev/image` builds Docker's.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/usr/local/bin/outbox-relay", "health"]
# SIGTERM, the default, drains.
ENTRYPOINT ["/usr/local/bin/outbox-relay"]
CMD ["run"]
