package truss

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for _, in := range []string{
		"connect(4, 0x08047A20, 16, SOV_DEFAULT)\t= 0",
		"so_socket(PF_INET, SOCK_STREAM, IPPROTO_IP, \"\", SOV_XPG4_2) = 3",
		"open(\"/x\", O_RDONLY)                              Err#2 ENOENT",
		"close(3)\t\t\t\t= 0",
		"1234/1:\tclose(3) = 0",
		"/2:\tgetpid() = 7 [6]",
		"12: 34: close(3) = 0",
		"write(1, \" h e l l o\\n\", 6) = 6",
		"write(1, \" h e l l o  \".., 60) = 60",
		"kwrite(1, \" h e l l o\\n\", 6)  = 6",
		"read(0, 0x08047A20, 1024) (sleeping...)",
		"fork() (returning as child ...) = 1234",
		"execve(\"/usr/bin/ls\", 0x08047558, 0x08047568)  argc = 3",
		"socket(PF_INET,SOCK_STREAM,0)\t = 3 (0x3)",
		"socket(PF_INET,SOCK_STREAM,0) = 3 (0x3)",
		"connect(3,{ AF_INET 192.0.2.1:80 },16)\t ERR#36 'Operation now in progress'",
		" 4711 100567: 0.000105321 close(3) = 0 (0x0)",
		"SIGNAL 14 (SIGALRM) code=SI_USER pid=1 uid=0",
		"process exit, rval = 0",
		"<thread 100567 exited>",
		"-- UNKNOWN FreeBSD SYSCALL 599 --",
		"    Received signal #14, SIGALRM [caught]",
		"      siginfo: SIGCLD CLD_EXITED pid=7 status=0x0000",
		"\tAF_INET  name = 192.0.2.1  port = 80",
		"Base time stamp:  1238054490.9020  [ Thu Mar 26 08:01:30 GMT 2009 ]",
		"/1@1:\t-> libc:malloc(0x10, 0x0)",
		"    Incurred fault #6, FLTBOUNDS  %pc = 0x00010A4C",
	} {
		if !Is([]byte(in)) {
			t.Errorf("%q is truss's", in)
		}
	}
	for _, in := range []string{
		"", "...", "hello", "close(3) = 0", "close(3)                                = 0",
		// strace
		"write(1, \"\\n\\n\", 2) = 2", "write(1, \"  hi\", 4) = 4", "write(1, \"41\", 2) = 2", "write(1, \" a b\", 4) = 4", "write(1, \" a b\"..., 400) = 400",
		"read(3, \"\\0\\0\\0\", 3) = 3", "read(3, \"\\0\\0001\\0\", 4) = 4", "read(3, \"\\0001 \", 3) = 3", "read(3, \" \\0001\", 3) = 3",
		"socket(PF_INET, SOCK_STREAM, IPPROTO_IP) = 12", "connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"192.0.2.1\")}, 16) = -1 EINPROGRESS (Operation now in progress)",
		"1234  close(3) = 0", "[pid  1234] close(3) = 0", "1238054490.123456 close(3) = 0", "08:01:30 close(3) = 0", "08:01:30.123456 close(3) = 0 <0.000012>",
		"read(3,  <unfinished ...>", "<... read resumed> \"\", 1024) = 0", "--- SIGCHLD {si_signo=SIGCHLD} ---", "+++ exited with 0 +++", "exit_group(0) = ?",
		"poll([{fd=3, events=POLLIN}], 1, 0) = 0 (Timeout)", "fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)", "futex(0x1, FUTEX_WAIT, 2, NULL) = -1 EAGAIN (Resource temporarily unavailable)",
		"mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000", "syscall_0x1ff(0x1, 0x2) = -1 (errno 38)", "getpid() = 1234 (0x4d2 in another namespace)",
		// dtruss, ktrace, ltrace
		"open(\"/a\\0\", 0x2, 0x7FFF)\t\t = 3 0", "stat64(\"/a\\0\", 0x1, 0x2)\t\t = -1 Err#2", "  1234 ls       CALL  open(0x1,0x2,0x3)", "malloc(16) = 0x1234", "strlen(\"abc\")                            = 3",
	} {
		if Is([]byte(in)) {
			t.Errorf("%q may be another's", in)
		}
	}
}

// TestIsStrace checks that Is is false for all lines of strace.
func TestIsStrace(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "emulator", "emulator.strace"))
	if err != nil {
		t.Fatal(err)
	}
	if strace, err := exec.LookPath("strace"); err == nil {
		for _, args := range [][]string{
			{"-f", "-s", "4096", "ls", "-l", "/"},
			{"-ttt", "-T", "-v", "printf", "  a b\n\\n 1 2"},
			{"-f", "-yy", "-x", "sh", "-c", "echo ' h e l l o'; printf '\\0\\0 a'; exec 3</; cat /nonexistent"},
		} {
			out := filepath.Join(t.TempDir(), "out")
			// Ignore errors: tracing may be forbidden, and the status of the command does
			// not matter.
			exec.Command(strace, append([]string{"-o", out}, args...)...).Run()
			live, err := os.ReadFile(out)
			if err != nil || len(live) == 0 {
				t.Logf("strace does not work here: %v", err)
				continue
			}
			t.Logf("%d bytes of strace %s", len(live), strings.Join(args, " "))
			b = append(b, live...)
		}
	}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if line = bytes.TrimRight(line, "\r\n"); Is(line) {
			t.Errorf("%q", line)
		}
	}
	if n < 50 {
		t.Errorf("only %d lines", n)
	}
}
