package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// emptyTool is what every call pays while anybody has a program at both of its
// tracepoints, be it one that does nothing: no tool by tracepoints costs less.
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

// attachEmpty is the program that emptyTool runs: it has empty programs at the
// tracepoints of calls until it is interrupted.
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
