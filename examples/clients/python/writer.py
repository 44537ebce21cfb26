"""A writer in Python: an order and its event in one transaction, in four ways.

python writer.py WAY ORDER CHANGES        WAY is raw, helper, batch or entity; DATABASE_URL says where
"""

import json
import os
import secrets
import sys
from decimal import Decimal

import psycopg
from sqlalchemy import JSON, Numeric, String, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

CHANGE = "UPDATE orders SET version = version + 1, total = total + 10 WHERE id = %s RETURNING version, total"
INSERT = """INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id)
            VALUES ('Order', %s, 'order.changed', cast(%s AS json), cast(%s AS json), %s)"""
EMIT = """SELECT outbox.emit('Order', %s, 'order.changed', %s, headers => %s, correlation_id => %s)"""


def payload(order: str, version: int, total: Decimal) -> str:
    # Money as text: a float would turn 50.10 into 50.1.
    return json.dumps({"orderId": order, "version": version, "total": str(total)})


def traceparent() -> str:
    """With OpenTelemetry: propagate.inject(headers)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def raw(connection: psycopg.Connection, order: str) -> None:
    trace = traceparent()
    with connection.transaction():
        version, total = connection.execute(CHANGE, [order]).fetchone()
        headers = json.dumps({"traceparent": trace})
        connection.execute(INSERT, [order, payload(order, version, total), headers, trace[3:35]])


def helper(connection: psycopg.Connection, order: str) -> None:
    trace = traceparent()
    with connection.transaction():
        version, total = connection.execute(CHANGE, [order]).fetchone()
        headers = json.dumps({"traceparent": trace})
        connection.execute(EMIT, [order, payload(order, version, total), headers, trace[3:35]])


def batch(connection: psycopg.Connection, order: str, changes: int) -> None:
    """Several events of one transaction: executemany inserts them in the order of the list."""
    trace = traceparent()
    with connection.transaction():
        rows = []
        for _ in range(changes):
            version, total = connection.execute(CHANGE, [order]).fetchone()
            rows.append([order, payload(order, version, total), json.dumps({"traceparent": trace}), trace[3:35]])
        connection.cursor().executemany(INSERT, rows)


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))


class Event(Base):
    """Only the columns of the writer; seq, lane, published_at, replay_id and only_routes are the relay's."""

    __tablename__ = "events"
    __table_args__ = {"schema": "outbox"}
    id: Mapped[str] = mapped_column(String, primary_key=True, server_default=func.outbox.new_event_id())
    aggregate_type: Mapped[str]
    aggregate_id: Mapped[str]
    event_type: Mapped[str]
    payload: Mapped[dict] = mapped_column(JSON)
    headers: Mapped[dict] = mapped_column(JSON)
    correlation_id: Mapped[str]


def entity(session: Session, order_id: str) -> None:
    trace = traceparent()
    with session.begin():
        order = session.get_one(Order, order_id, with_for_update=True)  # the lock: others of this order wait here
        order.version += 1
        order.total += 10
        session.flush()  # before the event is added: a unit of work inserts first and updates later
        body = {"orderId": order.id, "version": order.version, "total": str(order.total)}
        session.add(
            Event(
                aggregate_type="Order",
                aggregate_id=order.id,
                event_type="order.changed",
                payload=body,
                headers={"traceparent": trace},
                correlation_id=trace[3:35],
            )
        )


def main(way: str, order: str, changes: int) -> None:
    url = os.environ["DATABASE_URL"]
    if way == "entity":
        engine = create_engine(url.replace("postgres://", "postgresql+psycopg://"))
        for _ in range(changes):
            with Session(engine) as session:
                entity(session, order)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        if way == "batch":
            batch(connection, order, changes)
            return
        write = {"raw": raw, "helper": helper}[way]
        for _ in range(changes):
            write(connection, order)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
