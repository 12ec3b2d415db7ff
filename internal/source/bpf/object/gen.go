//go:build linux

// Package object holds the programs of bpf/ as clang made them, and the names of
// all that is in them: a program, map or variable that an object does not have is
// a mistake that the compiler finds, or Open.
package object

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zsyscalls -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Syscalls ../../../../bpf/syscalls.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zprocess -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Process ../../../../bpf/process.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zsockets -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Sockets ../../../../bpf/sockets.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zuring -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Uring ../../../../bpf/uring.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zpackets -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Packets ../../../../bpf/packets.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zdevice -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Device ../../../../bpf/device.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zaudit -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Audit ../../../../bpf/audit.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zpids -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Pids ../../../../bpf/pids.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zblocked -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Blocked ../../../../bpf/blocked.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zkernel -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Kernel ../../../../bpf/kernel.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zpath -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Path ../../../../bpf/path.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zwaits -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Waits ../../../../bpf/waits.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zsteps -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Steps ../../../../bpf/steps.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem ztree -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Tree ../../../../bpf/tree.bpf.c
//go:generate go tool bpf2go -target amd64,arm64 -go-package object -output-stem zifaces -cc clang -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../../bpf" Ifaces ../../../../bpf/ifaces.bpf.c
//go:generate sh -c "go run ./strip z*.o"

// Open reads an object, and gives its parts by their names: S is one of the
// structs XSpecs, or a part of one. They are those of the spec: what is set in
// them is set there. A name that the object does not have is an error.
func Open[S any](load func() (*ebpf.CollectionSpec, error)) (*ebpf.CollectionSpec, *S, error) {
	r := readOf[S]()
	r.once.Do(func() { r.read(load) })
	if r.err != nil {
		return nil, nil, r.err
	}
	spec := r.spec.Copy()
	parts := new(S)
	if err := spec.Assign(parts); err != nil {
		return nil, nil, fmt.Errorf("%T: %w", *parts, err)
	}
	return spec, parts, nil
}

// read is an object that was read from its ELF file, which takes ten milliseconds for a large one; most
// are opened several times, once for each program that may be refused.
type read struct {
	once sync.Once
	spec *ebpf.CollectionSpec
	err  error
}

var objects sync.Map // of *read, by the type of their parts

func readOf[S any]() *read {
	r, _ := objects.LoadOrStore(reflect.TypeFor[S](), new(read))
	return r.(*read)
}

// Ahead begins to read an object that will be opened.
func Ahead[S any](load func() (*ebpf.CollectionSpec, error)) {
	r := readOf[S]()
	go r.once.Do(func() { r.read(load) })
}

// read reads the object, and gives each function one line of source, its name, as their own lines are stripped: the
// library adds a line where it replaces an instruction that the kernel has no use for, and the kernel takes lines of
// all functions, or of none ("missing bpf_line_info").
func (r *read) read(load func() (*ebpf.CollectionSpec, error)) {
	if r.spec, r.err = load(); r.err != nil {
		return
	}
	for _, p := range r.spec.Programs {
		for i := range p.Instructions {
			if f := btf.FuncMetadata(&p.Instructions[i]); f != nil {
				p.Instructions[i] = p.Instructions[i].WithSource(asm.Comment(f.Name))
			}
		}
	}
}

// Forget frees what was read: megabytes. What is opened later is read again.
func Forget() { objects.Clear() }
