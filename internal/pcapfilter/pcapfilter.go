// Package pcapfilter compiles pcap-filter(7) expressions, as tcpdump takes them,
// to classic BPF. The programs run on packets that begin at the IP header, IPv4
// or IPv6 (LINKTYPE_RAW). The package behaves as libpcap 1.10.3 does, and its
// tests compare the verdicts of both libraries' programs: ports are matched in
// first fragments only, IPv6 extension headers are not skipped (except one
// fragment header in `proto`), accessors of transport headers read IPv4 only, a
// read beyond the packet ends the program without a match, and a test that
// cannot change the result is dropped together with its reads.
//
// It differs from libpcap on purpose in the following:
//   - It does not look up names of hosts and networks. Names of ports and
//     protocols come from a built-in table, not from /etc/services and
//     /etc/protocols.
//   - It refuses expressions that need a link-layer header. For some of them
//     libpcap reads the IP header instead (`ether[0]`, `ether proto 0x800`) or
//     compiles a test that is never true (`arp host`, `arp[0]`, `pppoes`). Names
//     of link-layer protocols without qualifiers (`arp`, `stp`) are never true
//     in both.
//   - It refuses `geneve`, after which expressions apply to the inner packet,
//     and `protochain`, which needs a loop.
//   - It refuses `byte`, which the manual does not document.
//   - An accessor to the right of an arithmetic operator tests for its protocol
//     like any other accessor: `1 + tcp[0] = 5` matches TCP only. libpcap reads
//     those bytes from any packet.
//   - An expression that no packet can match is an error in both, but this
//     package detects more of them (`ip[0xffffffff] = 1`).
//   - It does not have the errors of libpcap's optimizer (`net ::/65 and ::/65`).
package pcapfilter

import (
	"fmt"
	"math"

	"golang.org/x/net/bpf"
)

const (
	// maxExpr is the maximum length of an expression, in bytes.
	maxExpr = 64 << 10
	// maxDepth is the maximum nesting of parentheses, negations and accessors.
	maxDepth = 200
	// maxTests is the maximum number of comparisons before optimization, which
	// takes time quadratic in their number.
	maxTests = 8192
	// maxInstructions is the kernel's limit for a program, BPF_MAXINSNS.
	maxInstructions = 4096
)

// SyntaxError says why an expression cannot be compiled.
type SyntaxError struct {
	Offset int    // of Word in the expression, in bytes
	Word   string // as written in the expression; empty at its end
	Reason string // what was expected, or why Word is not supported
}

func (e *SyntaxError) Error() string {
	if e.Word == "" {
		return "at the end: " + e.Reason
	}
	return fmt.Sprintf("byte %d, %q: %s", e.Offset, e.Word, e.Reason)
}

// Compile compiles a pcap-filter(7) expression to a program for packets that
// begin at the IP header. The program returns 0xffffffff for a packet that
// matches and 0 for any other, and has fewer than 4096 instructions. For an
// empty expression, which every packet matches, Compile returns nil and no
// error. Errors are of type *SyntaxError; an expression that no packet can
// match is an error.
func Compile(expr string) ([]bpf.Instruction, error) {
	if len(expr) > maxExpr {
		return nil, tooLong(expr)
	}
	tokens, err := lex(expr)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 1 {
		return nil, nil
	}
	p := newParser(tokens)
	whole, err := p.parse()
	if err != nil {
		return nil, err
	}
	entry := graph(whole)
	if entry == nil {
		return nil, tooLong(expr)
	}
	if entry == reject {
		for _, n := range p.never {
			n.pred.form = predTrue
		}
		if len(p.never) > 0 && graph(whole) != reject {
			return nil, p.never[0].word.fail("matches no packet, nor does the expression: " + noLink)
		}
		return nil, &SyntaxError{Word: expr, Reason: "matches no packet"}
	}
	prog := emit(entry)
	if len(prog) >= maxInstructions {
		return nil, tooLong(expr)
	}
	return prog, nil
}

func tooLong(expr string) error {
	const shown = 20
	return &SyntaxError{Word: expr[:min(len(expr), shown)], Reason: "the expression that begins here is too long"}
}

// match and noMatch are the return values of programs.
const (
	match   = math.MaxUint32
	noMatch = 0
)
