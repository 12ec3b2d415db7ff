package main

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/net/websocket"
)

func websocketServer(context.Context) error {
	http.Handle("/echo", websocket.Handler(func(c *websocket.Conn) { _, _ = io.Copy(c, c) }))
	return http.ListenAndServe("127.0.0.1:8080", nil)
}

func websocketClient(context.Context) error {
	c, err := websocket.Dial("ws://127.0.0.1:8080/echo", "", "http://127.0.0.1/")
	if err != nil {
		return err
	}
	for _, s := range []string{"one", "two", string(make([]byte, 300))} {
		if err := websocket.Message.Send(c, s); err != nil {
			return err
		}
		var back string
		if err := websocket.Message.Receive(c, &back); err != nil {
			return err
		}
	}
	return c.Close()
}
