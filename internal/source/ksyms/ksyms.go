// Package ksyms reads the symbol table of the kernel, /proc/kallsyms, and finds the function
// that an address is in.
package ksyms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
)

// Table has the functions of a kernel and its modules, by address.
type Table struct {
	addrs []uint64
	names []uint32 // offsets of the names in text
	mods  []uint16 // indexes in modules
	text  []byte   // names, each terminated by a newline
	// modules has the names of the modules; the first one is empty, for the kernel itself.
	modules []string
}

// Function is a function of the kernel or of a module.
type Function struct {
	Addr   uint64
	Name   string
	Module string // empty for the kernel itself
}

// ErrHidden means that the kernel hides the addresses from this process.
var ErrHidden = errors.New("/proc/kallsyms shows no addresses: kernel.kptr_restrict, or no CAP_SYSLOG")

// Read reads the table of the running kernel.
func Read() (*Table, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f)
}

// Parse parses a table in the format of /proc/kallsyms. It skips symbols that are not
// code. Of several symbols at one address, Find returns the first.
func Parse(r io.Reader) (*Table, error) {
	t := &Table{modules: []string{""}}
	known := map[string]uint16{"": 0}
	sc := bufio.NewScanner(r)
	type entry struct {
		addr uint64
		name uint32
		mod  uint16
	}
	var list []entry
	all := 0
	for line := 1; sc.Scan(); line++ {
		addr, rest, ok := bytes.Cut(sc.Bytes(), []byte(" "))
		kind, name, ok2 := bytes.Cut(rest, []byte(" "))
		if !ok || !ok2 || len(kind) != 1 {
			return nil, fmt.Errorf("line %d is not of kallsyms: %q", line, sc.Text())
		}
		all++
		if !bytes.ContainsAny(kind, "tTwW") {
			continue
		}
		a, err := strconv.ParseUint(string(addr), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d is not of kallsyms: %q", line, sc.Text())
		}
		if a == 0 {
			continue
		}
		name, module, _ := bytes.Cut(name, []byte("\t"))
		module = bytes.Trim(module, "[]")
		m, ok := known[string(module)]
		if !ok && len(t.modules) < 1<<16-1 {
			m = uint16(len(t.modules))
			known[string(module)] = m
			t.modules = append(t.modules, string(module))
		}
		list = append(list, entry{a, uint32(len(t.text)), m})
		t.text = append(append(t.text, name...), '\n')
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if len(list) == 0 && all > 0 {
		return nil, ErrHidden
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		switch {
		case a.addr < b.addr:
			return -1
		case a.addr > b.addr:
			return 1
		}
		return 0
	})
	t.addrs, t.names, t.mods = make([]uint64, len(list)), make([]uint32, len(list)), make([]uint16, len(list))
	for i, e := range list {
		t.addrs[i], t.names[i], t.mods[i] = e.addr, e.name, e.mod
	}
	return t, nil
}

// Len returns the number of functions.
func (t *Table) Len() int { return len(t.addrs) }

// At returns the i-th function in the order of addresses.
func (t *Table) At(i int) Function {
	name := t.text[t.names[i]:]
	return Function{t.addrs[i], string(name[:bytes.IndexByte(name, '\n')]), t.modules[t.mods[i]]}
}

// maxFunction is the assumed maximum length of a function, in bytes.
const maxFunction = 1 << 20

// Find returns the function that an address is in, and the offset in the function. It returns
// false if the nearest function is too far away.
func (t *Table) Find(addr uint64) (f Function, offset uint64, ok bool) {
	i, found := slices.BinarySearch(t.addrs, addr)
	if !found {
		i--
	}
	// Of several functions at one address, use the first.
	for i > 0 && t.addrs[i-1] == t.addrs[i] {
		i--
	}
	if i < 0 || addr-t.addrs[i] >= maxFunction {
		return Function{}, 0, false
	}
	return t.At(i), addr - t.addrs[i], true
}
