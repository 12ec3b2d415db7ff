package ktrace

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkRead parses each transcript repeatedly with one Reader.
func BenchmarkRead(b *testing.B) {
	for _, file := range transcripts(b) {
		text := readFile(b, file)
		all := lines(text)
		b.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var r Reader
			var l Line
			n := 0
			for b.Loop() {
				for _, line := range all {
					if r.Read(line, &l) == nil {
						n++
					}
				}
			}
			if n == 0 {
				b.Fatal("nothing was read")
			}
		})
	}
}

// BenchmarkCarry calls Append for each line, and Parse for the result.
func BenchmarkCarry(b *testing.B) {
	var all []Line
	size := 0
	for _, file := range transcripts(b) {
		var r Reader
		for _, line := range lines(readFile(b, file)) {
			var l Line
			if r.Read(line, &l) == nil {
				all = append(all, l)
				size += len(line) + 1
			}
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var out []byte
	var l Line
	for b.Loop() {
		for i := range all {
			out = Append(out[:0], &all[i])
			if err := Parse(out, &l); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkIs calls Is for lines that are not of a tracer, the most common case.
func BenchmarkIs(b *testing.B) {
	var all [][]byte
	size := 0
	files, err := filepath.Glob("../../../testdata/emulator/*")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		for _, line := range lines(readFile(b, file)) {
			all = append(all, line)
			size += len(line) + 1
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, line := range all {
			if Is(line) != 0 {
				n++
			}
		}
	}
}

// TestAllocs checks that lines are parsed without allocations once the Reader has stored the names, which it
// drops at a Gap. IPv6 addresses are excepted.
func TestAllocs(t *testing.T) {
	var all [][]byte
	for _, file := range transcripts(t) {
		for _, line := range lines(readFile(t, file)) {
			if !bytes.Contains(line, []byte("::")) && !isGap(line) {
				all = append(all, line)
			}
		}
	}
	if len(all) < 500 {
		t.Fatalf("only %d lines", len(all))
	}
	var r Reader
	var l, l2 Line
	out := make([]byte, 0, 1<<16)
	n := testing.AllocsPerRun(20, func() {
		for _, line := range all {
			r.Read(line, &l)
			Is(line)
			out = Append(out[:0], &l)
			Parse(out, &l2)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d lines", n, len(all))
	}
}
