package pipeline_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/source/replay"
	"github.com/pidwire/pidwire/internal/wire"
)

// recording returns a recording of n calls: alternately sendto and recvfrom, with payload and
// an address, on a UDP socket.
func recording(tb testing.TB, n int) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := wire.NewWriter(&b, wire.Header{Version: wire.WireVersion, Arch: "amd64", StrLen: 32, Mono: 1000, Wall: 1_700_000_000_000_000_000})
	if err != nil {
		tb.Fatal(err)
	}
	payload := bytes.Repeat([]byte("ping "), 7)[:32]
	addr := []byte{2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	sock := wire.Sock{Cookie: 7, Ino: 4711, Netns: 4026531840, Fd: 3, Family: 2, Type: 2, Protocol: 17, State: 7, Lport: 8080}
	copy(sock.Laddr[:], []byte{127, 0, 0, 1})
	for i := range n {
		c := wire.Syscall{
			H:     wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: uint64(2000 + 1000*i)},
			Enter: uint64(1500 + 1000*i), Start: 5e9, Ret: 64, Pid: 42, Tid: 42, Nspid: 42, Nstid: 42, Abi: wire.AbiX8664, Nsock: 1,
		}
		copy(c.Comm[:], "load")
		var chunks []byte
		if i%2 == 0 {
			c.Nr, c.Args = 44, [6]uint64{3, 0x7000, 64, 0, 0x8000, 16}
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x8000, Phase: wire.PhaseEnter}, addr)
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x7000, Phase: wire.PhaseExit}, payload)
		} else {
			c.Nr, c.Args = 45, [6]uint64{3, 0x7000, 64, 0, 0x8000, 0x9000}
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x9000, Phase: wire.PhaseEnter}, []byte{16, 0, 0, 0})
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x7000, Phase: wire.PhaseExit}, payload)
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x9000, Phase: wire.PhaseExit}, []byte{16, 0, 0, 0})
			chunks = wire.AppendChunk(chunks, wire.Chunk{Addr: 0x8000, Phase: wire.PhaseExit}, addr)
		}
		c.Chunks = uint32(len(chunks))
		if err := w.Write(wire.Seal(append(sock.Append(c.Append(nil)), chunks...))); err != nil {
			tb.Fatal(err)
		}
	}
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd}, Reason: wire.EndDetached}
	if err := w.Write(wire.Seal(e.Append(nil))); err != nil {
		tb.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkReplay measures the path from a recording to lines. The targets are
// 1,000,000 calls per second on one core, and 3 allocations per call.
func BenchmarkReplay(b *testing.B) {
	for _, bench := range []struct {
		name string
		sink func() sink.Sink
	}{
		{"text", func() sink.Sink { return text.New(io.Discard, text.Options{}) }},
		{"json", func() sink.Sink { return jsonl.New(io.Discard, jsonl.Options{}) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			file := recording(b, b.N)
			b.SetBytes(int64(len(file) / b.N))
			b.ReportAllocs()
			b.ResetTimer()
			src, err := replay.New(bytes.NewReader(file))
			if err != nil {
				b.Fatal(err)
			}
			res, err := pipeline.Run(context.Background(), pipeline.Config{Source: src, Sinks: []sink.Sink{bench.sink()}, Wait: true})
			if err != nil || res.Calls != uint64(b.N) {
				b.Fatalf("%d calls of %d: %v", res.Calls, b.N, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
