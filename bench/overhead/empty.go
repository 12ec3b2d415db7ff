package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// emptyTool attaches programs that do nothing to both tracepoints of system calls. Its ratio is a
// lower bound for every tool that uses them.
var emptyTool = tool{
	args: func(*bench, int) []string {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return []string{self, "-empty"}
	},
	attached: watching,
}

// attachEmpty is the program that emptyTool runs: it keeps the empty programs attached until it is
// interrupted.
func attachEmpty() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return err
	}
	defer program.Close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	for _, at := range []string{"sys_enter", "sys_exit"} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: at, Program: program})
		if err != nil {
			return err
		}
		defer l.Close()
	}
	fmt.Fprintln(os.Stderr, watching)
	<-interrupted
	return nil
}
