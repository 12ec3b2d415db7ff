// Command pidwire shows what a process does on the network.
package main

import (
	"os"

	"github.com/pidwire/pidwire/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
