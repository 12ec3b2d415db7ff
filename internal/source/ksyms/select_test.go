package ksyms

import (
	"errors"
	"strings"
	"testing"
)

// kernel returns a small table that has the functions of net/socket.c in a row.
func kernel(t *testing.T, without string) *Table {
	t.Helper()
	names := strings.Fields("schedule devm_unregister_netdev __pfx_sock_mmap sock_mmap sock_alloc_file __sys_bind __sys_bind.cold __sys_connect sock_recvmsg kernel_sendmsg socket_seq_show sock_init_data tcp_sendmsg tcp_v4_rcv")
	var b strings.Builder
	for i, n := range names {
		if n != without {
			b.WriteString("ffffffff810")
			b.WriteByte("0123456789abcdef"[i])
			b.WriteString("0000 T " + n + "\n")
		}
	}
	b.WriteString("ffffffffc0000000 t tcp_in_module\t[m]\n")
	table, err := Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		without, patterns, want, note string
	}{
		{"", "tcp_*", "tcp_sendmsg tcp_v4_rcv tcp_in_module", ""},
		{"", "tcp_sendmsg tcp_s*", "tcp_sendmsg", ""},
		{"", "*@net/socket.c", "sock_mmap sock_alloc_file __sys_bind __sys_connect sock_recvmsg kernel_sendmsg socket_seq_show", "7 functions, between devm_unregister_netdev and"},
		{"", "sock_*@net/socket.c", "sock_mmap sock_alloc_file sock_recvmsg", "7 functions, between devm_unregister_netdev and"},
		{"devm_unregister_netdev", "*@net/socket.c", "sock_mmap sock_alloc_file __sys_bind __sys_connect sock_recvmsg kernel_sendmsg", "from a built-in list"},
		{"__sys_bind", "*@net/socket.c", "sock_mmap sock_alloc_file __sys_connect sock_recvmsg kernel_sendmsg", "from a built-in list"},
		{"", "socket", "sock_mmap sock_alloc_file __sys_bind __sys_connect sock_recvmsg kernel_sendmsg socket_seq_show tcp_sendmsg tcp_v4_rcv", ""},
	} {
		list, note, err := kernel(t, c.without).Select(strings.Fields(c.patterns))
		var got []string
		for _, f := range list {
			got = append(got, f.Name)
		}
		if g := strings.Join(got, " "); err != nil || g != c.want || !strings.Contains(note, c.note) || c.note == "" && note != "" {
			t.Errorf("%s without %s: %s (%s), %v; want %s", c.patterns, c.without, g, note, err, c.want)
		}
	}
	for pattern, says := range map[string]string{
		"no_such": "no matching function", "[": "syntax error", "[@net/socket.c": "syntax error", "*@net/core/dev.c": "only net/socket.c is known",
	} {
		if _, _, err := kernel(t, "").Select([]string{pattern}); !errors.Is(err, ErrPattern) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// TestSelectRunning finds net/socket.c in the running kernel.
func TestSelectRunning(t *testing.T) {
	needRoot(t)
	table, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	list, note, err := table.Select([]string{"*@net/socket.c"})
	if err != nil || len(list) < 60 || len(list) > 300 {
		t.Errorf("%d functions: %v", len(list), err)
	}
	t.Log(note)
	if list, _, err := table.Select([]string{Default}); err != nil || len(list) < 150 {
		t.Errorf("the default set has %d functions: %v", len(list), err)
	}
}
