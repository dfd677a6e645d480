# Builds the gateway, then an image that holds it and nothing that it does not need. It runs as a user without rights,
# on a root file system that may be read-only: mount a volume at /var/lib/querygate for the audit log and spill files.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential libclang-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY fuzz fuzz
COPY tests tests
COPY catalog catalog
COPY policies policies
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin querygate && cp target/release/querygate /querygate

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/querygate --create-home --shell /usr/sbin/nologin querygate
COPY --from=build /querygate /usr/local/bin/querygate
COPY catalog /etc/querygate/catalog
COPY policies /etc/querygate/policies
USER 10001
WORKDIR /etc/querygate
ENV QUERYGATE_LISTEN=0.0.0.0:6432 \
    QUERYGATE_AUDIT_DIR=/var/lib/querygate/audit \
    QUERYGATE_ENGINE_SPILL_DIR=/var/lib/querygate/spill
VOLUME /var/lib/querygate
EXPOSE 6432
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["querygate", "ping"]
ENTRYPOINT ["querygate"]
CMD ["serve"]
