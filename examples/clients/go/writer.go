package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	change = `UPDATE orders SET version = version + 1, total = total + 10 WHERE id = $1 RETURNING version, total::text`
	insert = `INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers, correlation_id)
		VALUES ('Order', $1, 'order.changed', $2, $3, $4)`
	emit = `SELECT outbox.emit('Order', $1, 'order.changed', $2, headers => $3, correlation_id => $4)`
)

// orderChanged is the payload; money is text, a float64 would turn 50.10 into 50.1.
type orderChanged struct {
	OrderID string `json:"orderId"`
	Version int    `json:"version"`
	Total   string `json:"total"`
}

// write changes an order several times: with its event in a transaction each, or with all in one.
func write(ctx context.Context, database *pgx.Conn, way, order string, changes int) error {
	switch way {
	case "batch":
		return batch(ctx, database, order, changes)
	case "raw", "helper":
		statement := map[string]string{"raw": insert, "helper": emit}[way]
		for range changes {
			if err := one(ctx, database, statement, order); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("no way %q", way)
	}
}

func one(ctx context.Context, database *pgx.Conn, statement, order string) error {
	trace := newTrace()
	return pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		event, err := changeOrder(ctx, tx, order)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, statement, order, event, trace.headers(), trace.id)
		return err
	})
}

// batch queues the inserts and sends them in one round trip, in the order of the queue.
func batch(ctx context.Context, database *pgx.Conn, order string, changes int) error {
	trace := newTrace()
	return pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		var queued pgx.Batch
		for range changes {
			event, err := changeOrder(ctx, tx, order)
			if err != nil {
				return err
			}
			queued.Queue(insert, order, event, trace.headers(), trace.id)
		}
		return tx.SendBatch(ctx, &queued).Close()
	})
}

// changeOrder comes first in the transaction: it locks the order.
func changeOrder(ctx context.Context, tx pgx.Tx, order string) (string, error) {
	event := orderChanged{OrderID: order}
	if err := tx.QueryRow(ctx, change, order).Scan(&event.Version, &event.Total); err != nil {
		return "", err
	}
	text, err := json.Marshal(event)
	return string(text), err
}

type trace struct{ id, span string }

// newTrace stands for OpenTelemetry's propagator.Inject(ctx, carrier).
func newTrace() trace {
	var random [24]byte
	rand.Read(random[:])
	return trace{hex.EncodeToString(random[:16]), hex.EncodeToString(random[16:])}
}

func (t trace) headers() string {
	return fmt.Sprintf(`{"traceparent": "00-%s-%s-01"}`, t.id, t.span)
}
