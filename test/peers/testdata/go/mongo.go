package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mongoServer answers what the driver asks, as little as it needs: no server can be installed from Debian.
func mongoServer(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:27017")
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			for answerMongo(c) == nil {
			}
		}()
	}
}

const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

func answerMongo(c net.Conn) error {
	var head [16]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	size, id, op := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
	body := make([]byte, size-16)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	var doc bson.Raw
	switch op {
	case opQuery:
		doc = bson.Raw(body[4+bytes.IndexByte(body[4:], 0)+1+8:])
	case opMsg:
		doc = bson.Raw(body[5:])
		doc = doc[:binary.LittleEndian.Uint32(doc)]
	default:
		return fmt.Errorf("operation %d", op)
	}
	elements, err := doc.Elements()
	if err != nil || len(elements) == 0 {
		return fmt.Errorf("no command: %v", err)
	}
	var answer any
	switch elements[0].Key() {
	case "hello", "isMaster", "ismaster":
		answer = bson.D{{Key: "ismaster", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "helloOk", Value: true}, {Key: "maxBsonObjectSize", Value: 1 << 24}, {Key: "maxMessageSizeBytes", Value: 48000000},
			{Key: "maxWriteBatchSize", Value: 100000}, {Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21}, {Key: "ok", Value: 1.0}}
	case "insert":
		answer = bson.D{{Key: "n", Value: 2}, {Key: "ok", Value: 1.0}}
	case "find":
		answer = bson.D{{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: bson.A{bson.D{{Key: "a", Value: 1}}}}, {Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop.orders"}}}, {Key: "ok", Value: 1.0}}
	case "drop":
		answer = bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "not authorized"}, {Key: "code", Value: 13}, {Key: "codeName", Value: "Unauthorized"}}
	default:
		answer = bson.D{{Key: "ok", Value: 1.0}}
	}
	b, err := bson.Marshal(answer)
	if err != nil {
		return err
	}
	var out []byte
	le := binary.LittleEndian
	if op == opQuery {
		out = append(out, make([]byte, 20)...) // flags, cursor, start
		le.PutUint32(out[16:], 1)
		op = opReply
	} else {
		out = append(out, make([]byte, 5)...)
	}
	out = append(out, b...)
	frame := le.AppendUint32(nil, uint32(16+len(out)))
	frame = le.AppendUint32(frame, 7)
	frame = le.AppendUint32(frame, id)
	frame = le.AppendUint32(frame, op)
	_, err = c.Write(append(frame, out...))
	return err
}

func mongoClient(ctx context.Context) error {
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:27017/?directConnection=true&serverMonitoringMode=poll&heartbeatFrequencyMS=60000"))
	if err != nil {
		return err
	}
	orders := c.Database("shop").Collection("orders")
	if _, err := orders.InsertMany(ctx, []any{bson.D{{Key: "a", Value: 1}}, bson.D{{Key: "a", Value: 2}}}); err != nil {
		return err
	}
	if err := orders.FindOne(ctx, bson.D{{Key: "a", Value: 1}}).Err(); err != nil {
		return err
	}
	var refused mongo.CommandError
	if err := orders.Drop(ctx); !errors.As(err, &refused) || refused.Code != 13 {
		return fmt.Errorf("drop: %v", err)
	}
	return c.Disconnect(ctx)
}
