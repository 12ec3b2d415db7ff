package ksyms

import (
	"errors"
	"os"
	"strings"
	"testing"
)

const sample = `0000000000001000 A __per_cpu_start
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t sock_poll
ffffffff81000180 W weak_one
ffffffff81000200 T tcp_v4_rcv
ffffffff82000000 D jiffies
ffffffffc0000000 t nft_do_chain	[nf_tables]
`

func TestParse(t *testing.T) {
	table, err := Parse(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if table.Len() != 6 {
		t.Errorf("%d functions", table.Len())
	}
	for _, c := range []struct {
		addr    uint64
		name    string
		module  string
		offset  uint64
		nowhere bool
	}{
		{addr: 0xffffffff81000000, name: "_stext"},
		{addr: 0xffffffff8100017f, name: "sock_poll", offset: 0x7f},
		{addr: 0xffffffff81000180, name: "weak_one"},
		{addr: 0xffffffff81000234, name: "tcp_v4_rcv", offset: 0x34},
		{addr: 0xffffffffc0000010, name: "nft_do_chain", module: "nf_tables", offset: 0x10},
		{addr: 0xffffffff80ffffff, nowhere: true},
		{addr: 0xffffffff82000000, nowhere: true}, // after the last one, but too far
		{addr: 0, nowhere: true},
		{addr: ^uint64(0), nowhere: true},
	} {
		f, off, ok := table.Find(c.addr)
		if ok == c.nowhere || f.Name != c.name || f.Module != c.module || off != c.offset {
			t.Errorf("%#x: %+v + %#x, %v", c.addr, f, off, ok)
		}
	}
}

func TestParseBad(t *testing.T) {
	for _, bad := range []string{"x\n", "ffffffff81000000 T\n", "zz T name\n", "ffffffff81000000 TT name\n"} {
		if _, err := Parse(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	hidden := "0000000000000000 T _text\n0000000000000000 t sock_poll\n"
	if _, err := Parse(strings.NewReader(hidden)); !errors.Is(err, ErrHidden) {
		t.Errorf("hidden addresses: %v", err)
	}
	if table, err := Parse(strings.NewReader("")); err != nil || table.Len() != 0 {
		t.Errorf("empty: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample, uint64(0xffffffff81000101))
	f.Fuzz(func(t *testing.T, text string, addr uint64) {
		if table, err := Parse(strings.NewReader(text)); err == nil {
			table.Find(addr)
		}
	})
}

// needRoot skips the test without root, unless PIDWIRE_MUST is set.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("PIDWIRE_MUST") != "" {
		t.Fatal("PIDWIRE_MUST is set, and this is not root")
	}
	t.Skip("addresses are for root")
}

// TestRunning reads the table of the running kernel.
func TestRunning(t *testing.T) {
	needRoot(t)
	table, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	for i := range table.Len() {
		if f := table.At(i); f.Name == "tcp_v4_rcv" {
			if got, off, ok := table.Find(f.Addr + 4); !ok || got.Name != "tcp_v4_rcv" || off != 4 {
				t.Errorf("tcp_v4_rcv+4 is %+v+%d", got, off)
			}
			return
		}
	}
	t.Error("no tcp_v4_rcv in /proc/kallsyms")
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
}
