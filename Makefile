# One command each: `make demo` shows the relay at work, `make test` runs every test. Both bring
# their own PostgreSQL and RabbitMQ (see dev/services), and can run side by side.

EVENTS ?= 20000
ORDERS ?= 2000
HTTP_ORDERS ?= 150
KEEP ?=
UPDATE ?=
TEST_ARGS ?=
CASES ?= all
SCALE ?= 1
ROUNDS ?= 5

target := $(or $(CARGO_TARGET_DIR),target)
# What the companion crate leaves to its users and the relay to who builds it, and the tests and lints want to see.
features := --features order-domain/amqp,order-domain/postgres,order-domain/sqlx,order-domain/opentelemetry,opentelemetry

.DEFAULT_GOAL := help
.PHONY: help demo bench test check-openapi test-pgbouncer faults lint docs fmt image chart dist release-check services services-stop rust-tools

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  DATABASE_URL and AMQP_URL (and MANAGEMENT_URL), where set, are used instead of private servers.'

demo: export KEEP := $(KEEP)
demo: services ## orders over HTTP, four consumers, neighbours that answer, then the relay under load [HTTP_ORDERS=150] [EVENTS=20000] [ORDERS=2000] [KEEP=1]
	cargo build --release --workspace --bins --example demo
	dev/with-services demo -- $(target)/release/examples/demo --relay $(target)/release/outbox-relay \
		--service $(target)/release/order-service --http-orders $(HTTP_ORDERS) --events $(EVENTS) --orders $(ORDERS) $(if $(filter 1,$(KEEP)),--keep)

bench: export CASES := $(CASES)
bench: export SCALE := $(SCALE)
bench: export ROUNDS := $(ROUNDS)
# As servers have that have a machine for themselves.
bench: export OUTBOX_DEV_SHARED_BUFFERS := 1GB
bench: export OUTBOX_DEV_RABBITMQ_SCHEDULERS := $(shell nproc)
bench: services ## writes docs/performance.md [CASES=drain,latency] [SCALE=full] [ROUNDS=5]
	cargo bench --bench relay --no-run
	dev/with-services bench -- cargo bench --bench relay

test: export KEEP := $(KEEP)
test: services ## every test [TEST_ARGS='--test journey -- --nocapture'] [KEEP=1]
	dev/install promtool
	dev/with-services test -- cargo test --workspace $(features) --no-fail-fast $(TEST_ARGS)

check-openapi: services ## schemathesis against the order service and its OpenAPI document, for a minute
	dev/with-services openapi -- dev/check-openapi

test-pgbouncer: services ## every test with the relays behind pgbouncer, then with the printed grants alone [TEST_ARGS=...]
	dev/with-services pgbouncer --pgbouncer -- cargo test --no-fail-fast $(TEST_ARGS)
	dev/with-services grants --grants -- cargo test --no-fail-fast $(TEST_ARGS)

# A target folder of its own: its relay is built with crash points, and must not stand where the suite looks for its own.
faults: export CARGO_TARGET_DIR := $(target)/faults
faults: services ## the matrix of faults, half an hour, writes docs/faults.md [SEED=n] [ONLY=row] [ROUNDS=50] [AT_ONCE=4]
	dev/install pgbouncer faketime
	dev/with-services faults -- cargo test --features crash-points --test matrix

lint: rust-tools ## formatting, clippy, rustdoc, shellcheck, hadolint, the rules of the house (tests/tidy)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(features),crash-points -- -D warnings
	cargo clippy --package outbox-relay --lib --bins -- -D warnings
	for feature in '' amqp postgres sqlx schema opentelemetry; do cargo check -p order-domain --lib --features "$$feature" || exit; done
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace $(features) --no-deps --document-private-items
	dev/install shellcheck
	dev/shell-scripts | xargs shellcheck --external-sources
	"$$(dev/python-tools)/hadolint" Dockerfile
	cargo test --workspace $(features) --test tidy --quiet

docs: ## writes docs/configuration.md and docs/metrics.md from the program
	UPDATE_DOCS=1 cargo test --test tidy --quiet documented

fmt: rust-tools ## formats the Rust code
	cargo fmt --all

image: ## the container's image, with Docker, podman or buildah [BUILDER=...] [RUNTIME=...]
	dev/image

chart: export UPDATE := $(UPDATE)
chart: ## the Helm chart, its alerts, dashboard and runbooks: linted, rendered, compared, tested [UPDATE=1 writes what is generated]
	dev/install promtool
	PYTHONPATH=dev "$$(dev/python-tools)/python" -m checks chart

dist: ## the release in target/dist: static program, man pages, completions, bill of materials, chart, checksums
	dev/dist

release-check: chart dist ## what is too heavy for every run: the image built and run, a real Prometheus, the release
	dev/check-alerts
	dev/check-image
	dev/release-unchanged --note

services-stop: ## stops and removes every private instance under target/dev, of running tests too
	@dev/services list | while read -r name rest; do echo "removing $$name"; dev/services remove "$$name"; done

# Nothing to install where other servers are given.
services:
	@$(if $(and $(DATABASE_URL),$(AMQP_URL)),:,dev/services install)

rust-tools:
	@cargo fmt --version >/dev/null 2>&1 || { echo 'rustfmt is missing: rustup component add rustfmt' >&2; exit 69; }
	@cargo clippy --version >/dev/null 2>&1 || { echo 'clippy is missing: rustup component add clippy' >&2; exit 69; }
