package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	var client string
	cmd := &cobra.Command{
		Use: "demo", Short: "watch a small client talk to a small server on this machine", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if client != "" {
				return demoClient(client)
			}
			return a.demo(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&client, "client", "", "be the client of the demonstration, for the server at this address")
	_ = cmd.Flags().MarkHidden("client")
	return cmd
}

// demo serves HTTP on loopback by itself, and watches a client of it.
func (a *app) demo(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("a server on loopback: %w", err)
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond) // something to see: the client waits
			fmt.Fprintln(w, "hello from the pidwire demo")
		}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	go srv.Serve(ln)
	defer srv.Close()

	self, err := os.Executable()
	if err != nil {
		return err
	}
	t := traceFlags{layers: []string{"sys", "pkt"}}
	t.view = viewFlags{strlen: 32, time: "rel", durFlag: true, colour: "auto", format: "pidwire", output: "-", quiet: true}
	if err := t.view.parse(); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "pidwire: a client asks a server at %s; every line is a call of the client on a socket, or a packet of it\n", ln.Addr())
	live := liveRun{app: a, t: &t, argv: []string{self, "demo", "--client", ln.Addr().String()}}
	if err := live.run(ctx); err != nil {
		return err
	}
	if a.code != 0 {
		return fmt.Errorf("the demonstration's client failed with exit code %d", a.code)
	}
	_, err = fmt.Fprintln(a.stdout, "Try next: pidwire -- curl -s http://example.com    or attach: pidwire PID")
	return err
}

// demoClient is the watched process: one request over a plain connection.
func demoClient(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", addr); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return err
}
