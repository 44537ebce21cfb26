# `make demo` shows the relay at work, `make test` runs every test. Both start their own PostgreSQL and RabbitMQ (see
# dev/services), and can run side by side.

EVENTS ?= 20000
ORDERS ?= 2000
HTTP_ORDERS ?= 150
KEEP ?=
UPDATE ?=
# 1: the demo of the released build, for its figures.
RELEASE ?=
TEST_ARGS ?=
CASES ?= all
SCALE ?= 1
ROUNDS ?= 5
LANGUAGES ?= python,node,go,java
# PostgreSQL+RabbitMQ, see dev/server-versions.
PAIRS ?= 13+3.10 17+4.0 18+4.3
TESTS ?=

target := $(or $(CARGO_TARGET_DIR),target)
# Optional features of both crates, which the tests and lints need.
features := --features order-domain/amqp,order-domain/postgres,order-domain/sqlx,order-domain/http,order-domain/redis,order-domain/opentelemetry,opentelemetry

.DEFAULT_GOAL := help
.PHONY: help demo bench test check-openapi test-clients test-pgbouncer test-versions faults lint docs fmt image chart dist release-check services services-stop rust-tools

help: ## shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  Set DATABASE_URL and AMQP_URL (and MANAGEMENT_URL) to use your own servers instead of private ones.'

demo: export KEEP := $(KEEP)
demo: profile := $(if $(filter 1,$(RELEASE)),release,quick)
demo: services ## sends orders over HTTP to consumers and neighbours that answer, then puts the relay under load [RELEASE=1] [HTTP_ORDERS=150] [EVENTS=20000] [ORDERS=2000] [KEEP=1]
	cargo build --profile $(profile) --package outbox-relay --package demo --package order-service --bins
	dev/with-services demo -- $(target)/$(profile)/demo --relay $(target)/$(profile)/outbox-relay \
		--service $(target)/$(profile)/order-service --http-orders $(HTTP_ORDERS) --events $(EVENTS) --orders $(ORDERS) $(if $(filter 1,$(KEEP)),--keep)
	@$(if $(filter quick,$(profile)),echo 'Compiled for a quick look. The figures of a release: make demo RELEASE=1')

bench: export CASES := $(CASES)
bench: export SCALE := $(SCALE)
bench: export ROUNDS := $(ROUNDS)
# As on servers with a machine to themselves.
bench: export OUTBOX_DEV_SHARED_BUFFERS := 1GB
bench: export OUTBOX_DEV_RABBITMQ_SCHEDULERS := $(shell nproc)
bench: services ## measures, and writes docs/performance.md [CASES=drain,latency] [SCALE=full] [ROUNDS=5]
	cargo bench --bench relay --no-run
	dev/with-services bench -- cargo bench --bench relay

test: export KEEP := $(KEEP)
test: services ## every test [TEST_ARGS='--test suite journey:: -- --nocapture'] [KEEP=1]
	dev/install promtool redis
	dev/with-services test -- cargo test --workspace $(features) --no-fail-fast $(TEST_ARGS)

check-openapi: services ## tests the order service against its OpenAPI document with schemathesis, for a minute
	dev/with-services openapi -- dev/check-openapi

test-clients: ## writers and consumers in Python, Node, Go and Java against the relay, judged at both ends [LANGUAGES=python,node,go,java]
	dev/test-clients $(LANGUAGES)

test-pgbouncer: services ## runs every test with the relays behind pgbouncer, then with only the printed grants [TEST_ARGS=...]
	dev/with-services pgbouncer --pgbouncer -- cargo test --no-fail-fast $(TEST_ARGS)
	dev/with-services grants --grants -- cargo test --no-fail-fast $(TEST_ARGS)

test-versions: ## the suite on other versions of the servers, and its table in docs/versions.md [PAIRS='13+3.10 17+4.0 18+4.3'] [TESTS='journey:: lapin']
	dev/install patchelf
	TESTS='$(TESTS)' dev/test-versions $(PAIRS)

# Has its own target folder: its relay has crash points, and must not be where the suite looks for its own.
faults: export CARGO_TARGET_DIR := $(target)/faults
faults: services ## runs the fault tests for half an hour, and writes docs/faults.md [SEED=n] [ONLY=row] [QUICK=1] [ROUNDS=50] [AT_ONCE=4]
	dev/install pgbouncer faketime
	dev/with-services faults -- cargo test --features crash-points --test matrix

lint: rust-tools ## checks formatting, clippy, rustdoc, shellcheck, hadolint and the house rules (tests/tidy)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(features),crash-points -- -D warnings
	cargo clippy --package outbox-relay --lib --bins -- -D warnings
	for feature in '' amqp http redis postgres sqlx schema opentelemetry; do cargo check -p order-domain --lib --features "$$feature" || exit; done
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace $(features) --no-deps --document-private-items
	dev/install shellcheck
	dev/shell-scripts | xargs shellcheck --external-sources
	"$$(dev/python-tools)/hadolint" Dockerfile
	cargo test --workspace $(features) --test tidy --quiet

docs: ## writes the generated documents (configuration, metrics, states, the JSON of answers) from the program
	UPDATE_DOCS=1 cargo test --test tidy --quiet documented
	UPDATE_DOCS=1 cargo test --lib --quiet documented

fmt: rust-tools ## formats the Rust code
	cargo fmt --all

image: ## builds the image with Docker, podman or buildah [BUILDER=...] [RUNTIME=...]
	dev/image

chart: export UPDATE := $(UPDATE)
chart: ## lints, renders, compares and tests the Helm chart, its alerts, dashboard and runbooks [UPDATE=1 writes generated files]
	dev/install promtool
	PYTHONPATH=dev "$$(dev/python-tools)/python" -m checks chart

dist: ## builds the release in target/dist: static program, man pages, completions, bill of materials, chart, checksums
	dev/dist

release-check: chart dist ## builds and runs the image, a real Prometheus and the release; too heavy for every run
	dev/check-alerts
	dev/check-image
	dev/release-unchanged --note

services-stop: ## stops and removes every private instance under target/dev, also those of running tests
	@dev/services list | while read -r name rest; do echo "removing $$name"; dev/services remove "$$name"; done

# Nothing to install if you set your own servers.
services:
	@$(if $(and $(DATABASE_URL),$(AMQP_URL)),:,dev/services install)

rust-tools:
	@cargo fmt --version >/dev/null 2>&1 || { echo 'rustfmt is missing: rustup component add rustfmt' >&2; exit 69; }
	@cargo clippy --version >/dev/null 2>&1 || { echo 'clippy is missing: rustup component add clippy' >&2; exit 69; }
