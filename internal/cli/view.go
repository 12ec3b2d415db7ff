package cli

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/net/bpf"
	"golang.org/x/term"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/pcapfilter"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/summary"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/wire"
)

type flag = pflag.Flag

// viewFlags are the flags for what is shown and how, common to trace and open.
type viewFlags struct {
	expr    []string // -e
	failed  bool     // -Z
	success bool     // -z
	strlen  int      // -s
	time    string   // -t
	noDur   bool
	durFlag bool // -T: accepted, the default
	output  string
	json    bool
	md      bool // --md, of why
	summary bool
	colour  string
	numeric bool
	verbose int
	fds     int // -y
	hex     int // -x
	format  string
	quiet   bool
	strict  bool
	count   uint64
	sel     selection
	utc     bool
	packets tcpdump.Options
	filter  string            // --pcap-filter
	match   []bpf.Instruction // compiled filter
	names   bool
	resolve bool
	drops   bool
	tree    bool            // --tree
	stacks  bool            // -k
	layers  map[string]bool // that are shown; nil: all that there are
	secrets bool
}

var timeWords = []string{"rel", "abs", "micro", "epoch", "delta", "none"}

func (v *viewFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&v.expr, "expr", "e", nil, "filter calls by trace=SET or status=SET as in strace: -e connect, -e trace=%net,!close, -e status=failed; messages by protocol: -e msg=http,dns")
	f.BoolVarP(&v.failed, "failed-only", "Z", false, "only calls that failed")
	f.BoolVarP(&v.success, "successful-only", "z", false, "only calls that succeeded")
	f.IntVarP(&v.strlen, "string-limit", "s", 32, "maximum bytes shown of a string (and copied of each buffer), up to 65536")
	f.StringVar(&v.time, "time", "rel", "-t `STYLE`: rel, abs (-t), micro (-tt), epoch (-ttt), delta, none")
	f.BoolVar(&v.utc, "utc", false, "times of day in UTC")
	f.BoolVar(&v.noDur, "no-duration", false, "do not show the duration of calls")
	f.BoolVarP(&v.durFlag, "syscall-times", "T", true, "show the duration of calls (the default)")
	f.StringVarP(&v.output, "output", "o", "", "write the lines to `FILE`; - is standard output")
	f.BoolVar(&v.json, "json", false, "print JSON lines")
	f.BoolVarP(&v.summary, "summary", "c", false, "only print tables at the end: calls, errors, bytes and time per call and per connection; drops by reason")
	f.StringVar(&v.colour, "color", "auto", "auto, always or never")
	f.BoolVarP(&v.numeric, "numeric", "n", false, "do not resolve numbers to names")
	f.CountVarP(&v.verbose, "verbose", "v", "unabbreviated; packets: more details")
	f.CountVarP(&v.fds, "decode-fds", "y", "-y: show the socket of each descriptor, -yy: with addresses")
	f.CountVarP(&v.hex, "hex", "x", "-x: show packets and strings that are not text in hex; -xx: all strings")
	f.BoolVarP(&v.packets.AbsoluteSeq, "absolute-seq", "S", false, "packets: absolute sequence numbers")
	f.BoolVarP(&v.packets.ASCII, "ascii", "A", false, "packets: show the bytes as text, up to --snaplen")
	f.BoolVarP(&v.packets.HexASCII, "hex-ascii", "X", false, "packets: show the bytes in hex and as text")
	f.BoolVar(&v.packets.Link, "link-header", false, "packets: show the link-layer header, if there is one (tcpdump -e)")
	f.BoolVar(&v.names, "names", false, "packets: show the names of addresses that occur in captured DNS answers")
	f.BoolVar(&v.resolve, "resolve", false, "packets: show the names of all addresses; pidwire sends DNS queries for unknown ones")
	f.BoolVar(&v.packets.Quick, "quick", false, "packets: short form (tcpdump -q)")
	f.StringVar(&v.filter, "pcap-filter", "", "only packets that match `EXPR`, in tcpdump's syntax: 'tcp port 443 and not host 10.0.0.1'")
	f.BoolVar(&v.drops, "drops", false, "only packets that the kernel dropped, with reason and function")
	f.BoolVar(&v.tree, "tree", false, "show the kernel functions of each call as a tree")
	f.BoolVarP(&v.stacks, "stack-trace", "k", false, "show the stacks of kernel and process for each kernel event and call")
	f.StringVar(&v.format, "format", "pidwire", "pidwire; strace: as printed by strace -f, without columns; story: look-ups, connections, exchanges and failures (needs layer msg)")
	f.BoolVarP(&v.quiet, "quiet", "q", false, "no messages on standard error")
	f.BoolVar(&v.strict, "strict", false, "exit code 11 if events were lost")
	f.BoolVar(&v.secrets, "secrets", false, "messages: show passwords, tokens and other secrets, which are *** otherwise")
	f.Uint64Var(&v.count, "count", 0, "stop after `N` calls and packets")
}

// parse checks the flags and turns them into a selection.
func (v *viewFlags) parse() error {
	if v.strlen < 0 || v.strlen > 65536 {
		return usageError("-s %d: must be between 0 and 65536 bytes", v.strlen)
	}
	switch v.colour {
	case "auto", "always", "never":
	default:
		return usageError("--color %q: expected auto, always or never", v.colour)
	}
	if formats[v.format] == nil {
		return usageError("--format %q: expected %s", v.format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	if _, ok := timeStyles[v.time]; !ok {
		return usageError("-t %q: expected one of %s", v.time, strings.Join(timeWords, ", "))
	}
	if v.json && v.summary {
		return usageError("--json and -c exclude each other")
	}
	if v.md && v.json {
		return usageError("--md and --json exclude each other")
	}
	if flag := v.partial(); v.format == "why" && flag != "" {
		return usageError("why judges all calls, packets and events: remove %s", flag)
	}
	var err error
	if v.match, err = pcapfilter.Compile(v.filter); err != nil {
		return usageError("--pcap-filter '%s': %v", v.filter, err)
	}
	v.sel, err = parseSelection(v.expr)
	if err != nil {
		return err
	}
	if v.failed {
		v.sel.failed, v.sel.ok = true, v.success
	} else if v.success {
		v.sel.failed, v.sel.ok = false, true
	}
	return nil
}

var timeStyles = map[string]text.TimeStyle{
	"rel": text.TimeRel, "abs": text.TimeAbs, "micro": text.TimeMicro, "epoch": text.TimeEpoch,
	"delta": text.TimeDelta, "none": text.TimeNone,
}

// sink returns the sink that the flags select, and a function that closes its file. Without -o it writes to out.
func (v *viewFlags) sink(a *app, out io.Writer, h wire.Header) (sink.Sink, func() error, error) {
	closeOut := func() error { return nil }
	switch v.output {
	case "":
	case "-", "/dev/stdout":
		out = a.stdout
	case "/dev/stderr":
		out = a.stderr
	default:
		f, err := a.create(v.output, place{lines: true})
		if err != nil {
			return nil, nil, err
		}
		out, closeOut = f, f.Close
	}
	opts := notation.Options{StrLen: v.strlen, Verbose: v.verbose > 0, FDs: v.fds, Numeric: v.numeric, HexStrings: v.hex}
	if v.strlen == 0 {
		opts.StrLen = -1
	}
	packets := v.packets
	packets.Verbose, packets.Hex = v.verbose, v.hex > 0
	start := int64(h.Wall)
	switch {
	case v.summary:
		return summary.New(out, v.drops), closeOut, nil
	case v.json:
		return jsonl.New(out, jsonl.Options{Notation: opts, Packets: packets, Start: start}), closeOut, nil
	}
	return formats[v.format](v, out, notationOf{opts, packets, start}), closeOut, nil
}

// notationOf holds the options for writing values that are common to all formats.
type notationOf struct {
	values  notation.Options
	packets tcpdump.Options
	start   int64 // of the timeline, ns since the epoch
}

// formats are the sinks that --format names.
var formats = map[string]func(*viewFlags, io.Writer, notationOf) sink.Sink{
	"pidwire": (*viewFlags).text,
	"strace":  (*viewFlags).text,
	"story":   (*viewFlags).story,
	"why":     (*viewFlags).verdicts,
}

func (v *viewFlags) text(out io.Writer, l notationOf) sink.Sink {
	o := text.Options{
		Notation: l.values, Packets: l.packets, Time: timeStyles[v.time], Start: l.start, NoDur: v.noDur || !v.durFlag,
		Plain: v.format == "strace", Tree: v.tree, Stacks: v.stacks, Zone: time.Local, Names: v.names && !v.numeric,
	}
	if v.resolve && !v.numeric {
		o.Resolve = newResolver().name
	}
	if v.utc {
		o.Zone = time.UTC
	}
	if v.coloured(out) {
		o.Colour = &text.Colours{
			Time: "\x1b[2m", Task: "\x1b[36m", Conn: "\x1b[35m", Layer: "\x1b[2m",
			Note: "\x1b[2m", Warn: "\x1b[33m", Reset: "\x1b[0m",
		}
		o.Notation.Style = &notation.Style{Name: "\x1b[1m", Error: "\x1b[31m", String: "\x1b[32m", Note: "\x1b[2m"}
	}
	return text.New(out, o)
}

// coloured reports whether to use colours. It depends on --color, NO_COLOR, CLICOLOR_FORCE,
// FORCE_COLOR, TERM, and on whether out is a terminal.
func (v *viewFlags) coloured(out io.Writer) bool {
	switch v.colour {
	case "always":
		return true
	case "never":
		return false
	}
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	for _, force := range []string{"CLICOLOR_FORCE", "FORCE_COLOR"} {
		if e := os.Getenv(force); e != "" && e != "0" {
			return true
		}
	}
	f, ok := out.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// keep returns the filter of the entries, or nil if there is none. Socket states, which come
// with the packets, are not shown if packets are the only layer.
func (v *viewFlags) keep(h wire.Header) func(*event.Entry) bool {
	if v.drops {
		return func(e *event.Entry) bool {
			switch b := e.Body.(type) {
			case *event.Kernel:
				return b.Lost()
			case *event.Lost, *event.Note, *event.Unknown, *event.End:
				return true
			}
			return false
		}
	}
	if v.format == "why" {
		return func(e *event.Entry) bool {
			switch b := e.Body.(type) {
			case *event.Verdict, *event.Lost, *event.End:
				return true
			case *event.Message:
				return b.Proto == "conn" && !v.json
			}
			return false
		}
	}
	all, packets := v.sel.all(), h.Layers == 1<<wire.LayerPkt
	if all && !packets && v.match == nil && v.layers == nil && v.sel.protos == nil {
		return nil
	}
	shown := func(layer string) bool { return v.layers == nil || v.layers[layer] }
	return func(e *event.Entry) bool {
		switch b := e.Body.(type) {
		case *event.Call:
			return shown("sys") && (all || v.sel.shows(b))
		case *event.Audit:
			return shown("aud") && (all || b.Call == nil || v.sel.shows(b.Call))
		case *event.Capture:
			return shown("pkt") && (v.match == nil || !b.NoIP && pcapfilter.Match(v.match, b.Data, b.Len))
		case *event.State:
			return !packets && (shown("sys") || shown("pkt") || shown("krn"))
		case *event.Handover:
			return shown("pkt")
		case *event.Kernel:
			return shown("krn")
		case *event.Message:
			return shown("msg") && (v.sel.protos == nil || v.sel.protos[b.Proto])
		}
		return true
	}
}

// layerNames are the layers of -l.
var layerNames = []string{"sys", "pkt", "msg", "krn", "aud"}

// callsOnly reports whether the flags select or show calls only, as with strace.
func (v *viewFlags) callsOnly() bool {
	return !v.sel.all() || v.format == "strace" || v.tree || v.stacks
}

// usualLayers returns the layers that are traced without -l.
func (v *viewFlags) usualLayers() []string {
	switch {
	case v.callsOnly():
		return []string{"sys"}
	case v.sel.protos != nil:
		return []string{"msg"}
	}
	return []string{"sys", "pkt", "msg"}
}

func knownLayers(list []string) error {
	for _, l := range list {
		if !slices.Contains(layerNames, l) {
			return usageError("no layer %q (%s)", l, strings.Join(layerNames, ", "))
		}
	}
	return nil
}

// only limits what is shown to some layers; none means all.
func (v *viewFlags) only(layers []string) error {
	if len(layers) == 0 {
		return nil
	}
	v.layers = map[string]bool{}
	for _, l := range layers {
		v.layers[l] = true
	}
	return knownLayers(layers)
}
