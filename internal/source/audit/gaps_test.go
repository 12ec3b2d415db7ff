//go:build linux

package audit

import "testing"

// TestGaps checks that serials that arrive late are not lost, and all others are.
func TestGaps(t *testing.T) {
	var g gaps
	lost := g.skip(10, 12) + g.skip(12, 15) // 11, 13, 14 are missing
	g.arrived(11)
	if lost += g.settle(); lost != 0 {
		t.Errorf("%d lost at once", lost)
	}
	g.arrived(14)
	g.arrived(9) // was never missing
	if lost += g.settle(); lost != 1 {
		t.Errorf("%d lost, want 13 only", lost)
	}
	lost = g.skip(15, 16) // none
	lost += g.skip(16, 10_017)
	g.arrived(10_016)
	if lost += g.settle() + g.settle(); lost != 9_999 {
		t.Errorf("%d lost of 10,000 of which one arrived", lost)
	}
	if lost = g.settle(); lost != 0 {
		t.Errorf("%d lost twice", lost)
	}
}
