// Command gopeers has clients and servers of Go libraries, for go test ./test/peers. Servers listen on the usual ports of 127.0.0.1.
package main

import (
	"context"
	"log"
	"os"
	"time"
)

var programs = map[string]func(context.Context) error{
	"grpc-server": grpcServer, "grpc-client": grpcClient,
	"kafka-server": kafkaServer, "kafka-client": kafkaClient,
	"mongo-server": mongoServer, "mongo-client": mongoClient,
	"websocket-server": websocketServer, "websocket-client": websocketClient,
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if len(os.Args) != 2 || programs[os.Args[1]] == nil {
		log.Fatal("usage: gopeers NAME")
	}
	if err := programs[os.Args[1]](ctx); err != nil {
		log.Fatal(err)
	}
}
