// A writer and a consumer in Go: an order and its event in one transaction, and what comes out at the other end.
//
//	go run . writer WAY ORDER CHANGES        WAY is raw, helper or batch; DATABASE_URL says where
//	go run . consumer                        DATABASE_URL, AMQP_URL, QUEUE and CONSUMER say where and who
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	database, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer database.Close(context.WithoutCancel(ctx))
	switch {
	case len(args) == 4 && args[0] == "writer":
		changes, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return write(ctx, database, args[1], args[2], changes)
	case len(args) == 1 && args[0] == "consumer":
		connection, err := amqp.Dial(os.Getenv("AMQP_URL"))
		if err != nil {
			return err
		}
		defer connection.Close()
		return consume(ctx, database, connection, os.Getenv("QUEUE"), os.Getenv("CONSUMER"))
	default:
		return fmt.Errorf("usage: writer WAY ORDER CHANGES | consumer")
	}
}
