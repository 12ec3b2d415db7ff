package http2

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// TestHPACK compares with package hpack, with blocks of random fields, and tables that begin in the middle.
func TestHPACK(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		var out bytes.Buffer
		enc := hpack.NewEncoder(&out)
		enc.SetMaxDynamicTableSizeLimit(1 << 16)
		tab, late := newTable(false), newTable(true)
		began := r.IntN(10)
		right := 0
		for block := range 40 {
			var want []hpack.HeaderField
			out.Reset()
			if r.IntN(10) == 0 {
				enc.SetMaxDynamicTableSize(uint32(r.IntN(6000)))
			}
			for range r.IntN(8) {
				s := static[r.IntN(len(static))]
				f := hpack.HeaderField{Name: s[0], Value: s[1], Sensitive: r.IntN(8) == 0}
				if r.IntN(2) == 0 {
					f.Value = strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(100))
				}
				if r.IntN(4) == 0 {
					f.Name = "x-" + string(rune('a'+r.IntN(26)))
				}
				if err := enc.WriteField(f); err != nil {
					t.Fatal(err)
				}
				want = append(want, f)
			}
			s := newScratch()
			var got [][2][]byte
			keep := func(name, value []byte) { got = append(got, [2][]byte{name, value}) }
			if !tab.decode(out.Bytes(), &s, keep) {
				t.Fatalf("seed %d: block %d cannot be read", seed, block)
			}
			check := func(unknown bool) {
				t.Helper()
				if len(got) != len(want) {
					t.Fatalf("seed %d: %d fields, want %d", seed, len(got), len(want))
				}
				for i := range got {
					if got[i][0] == nil && (unknown || tab.partial) {
						continue
					}
					right++
					if string(got[i][0]) != want[i].Name || string(got[i][1]) != want[i].Value {
						t.Fatalf("seed %d: block %d: got %s: %s, want %v", seed, block, got[i][0], got[i][1], want[i])
					}
				}
			}
			check(false)
			if block < began {
				continue
			}
			got = nil
			if !late.decode(out.Bytes(), &s, keep) {
				t.Fatalf("seed %d: block %d cannot be read later", seed, block)
			}
			check(true)
		}
		if right == 0 {
			t.Errorf("seed %d: no field was known", seed)
		}
		if n := tab.held(); n > 2*maxTable {
			t.Errorf("seed %d: %d bytes", seed, n)
		}
	}
}
