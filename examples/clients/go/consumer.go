package main

import (
	"context"
	"encoding/json"
	"log"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	mark   = `INSERT INTO inbox.handled_messages (consumer, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	effect = `INSERT INTO effects (consumer, order_id, version, event_type, total, trace_id) VALUES ($1, $2, $3, $4, $5, $6)`

	attempts = 5
)

type envelope struct {
	Payload orderChanged `json:"payload"`
}

// consume handles one message after the other until ctx ends. What arrives is buffered by prefetch; a goroutine a message would lose
// the order.
func consume(ctx context.Context, database *pgx.Conn, connection *amqp.Connection, queue, consumer string) error {
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err := channel.Qos(50, 0, false); err != nil {
		return err
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case message, open := <-deliveries:
			if !open {
				return amqp.ErrClosed
			}
			if err := settle(ctx, database, consumer, &message); err != nil {
				return err
			}
		}
	}
}

// settle tries in place, so that nothing overtakes the message, and acknowledges after COMMIT.
func settle(ctx context.Context, database *pgx.Conn, consumer string, message *amqp.Delivery) error {
	for attempt := range attempts {
		err := handle(ctx, database, consumer, message)
		if err == nil {
			return message.Ack(false)
		}
		if ctx.Err() != nil {
			return nil // we are stopping: the broker gives the message to the next consumer
		}
		log.Printf("attempt %d at %s: %v", attempt+1, message.MessageId, err)
		time.Sleep(100 * time.Millisecond << attempt)
	}
	// The queue's dead-letter exchange takes it; later events of this order go on without it.
	return message.Reject(false)
}

// handle has the mark and the effect in one transaction.
func handle(ctx context.Context, database *pgx.Conn, consumer string, message *amqp.Delivery) error {
	var event envelope
	if err := json.Unmarshal(message.Body, &event); err != nil {
		return err
	}
	traceparent, _ := message.Headers["traceparent"].(string) // OpenTelemetry: propagator.Extract(ctx, carrier)
	traceID := strings.Split(traceparent+"--", "-")[1]
	return pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		marked, err := tx.Exec(ctx, mark, consumer, message.MessageId)
		if err != nil || marked.RowsAffected() == 0 {
			return err // no row and no error: a copy of what was handled before
		}
		payload := event.Payload
		_, err = tx.Exec(ctx, effect, consumer, payload.OrderID, payload.Version, message.Type, payload.Total, traceID)
		return err
	})
}
