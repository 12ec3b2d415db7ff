package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/source/bpf"
)

func (a *app) demoCommand() *cobra.Command {
	var client string
	var server bool
	cmd := &cobra.Command{
		Use: "demo", Short: "watch a small client and server on this machine", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case server:
				return a.demoServer()
			case client != "":
				return demoClient(client)
			}
			return a.demo(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&client, "client", "", "run the client of the demonstration, for the server at this address")
	cmd.Flags().BoolVar(&server, "server", false, "run the server of the demonstration, until standard input ends")
	_ = cmd.Flags().MarkHidden("client")
	_ = cmd.Flags().MarkHidden("server")
	return cmd
}

// demo watches a client that talks to a server over loopback. Both are processes of this program.
func (a *app) demo(ctx context.Context) error {
	t := traceFlags{layers: []string{"sys", "pkt", "msg"}, payload: bpf.DefaultPayload}
	t.view = viewFlags{strlen: 32, time: "rel", durFlag: true, colour: "auto", format: "pidwire", output: "-", quiet: true}
	if err := t.view.parse(); err != nil {
		return err
	}
	live := liveRun{app: a, t: &t, argv: []string{"pidwire"}}
	if !a.outside() {
		return live.run(ctx)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr, stop, err := startDemoServer(self)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintf(a.stderr, "pidwire: a client sends requests to a server at %s; each line is a socket call of the client, one of its packets, or what was said\n", addr)
	live.argv = []string{self, "demo", "--client", addr}
	if err := live.run(ctx); err != nil {
		return err
	}
	if a.code != 0 {
		return fmt.Errorf("the client of the demonstration failed with exit code %d", a.code)
	}
	_, err = fmt.Fprintln(a.stdout, "Try next: pidwire -- curl -s http://example.com    or attach: pidwire PID")
	return err
}

// startDemoServer starts the server as a separate process, because this one drops the privileges that a server needs.
func startDemoServer(self string) (addr string, stop func(), err error) {
	cmd := exec.Command(self, "demo", "--server")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("the server of the demonstration: %w", err)
	}
	stop = func() {
		in.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server of the demonstration did not print its address: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// demoServer serves HTTP on loopback until EOF on its standard input.
func (a *app) demoServer() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("a server on loopback: %w", err)
	}
	if _, err := fmt.Fprintln(a.stdout, ln.Addr()); err != nil {
		return err
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(20 * time.Millisecond) // makes the client visibly wait
			fmt.Fprintln(w, "hello from the pidwire demo")
		}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	go srv.Serve(ln)
	_, err = io.Copy(io.Discard, a.stdin)
	return errors.Join(err, srv.Close())
}

// demoClient runs in the watched process. It sends one request over a plain TCP connection.
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
