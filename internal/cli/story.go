package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/story"
)

// storyHelp is the help of story, on all systems.
const storyHelp = `story prints what a person wants to know first: look-ups of names, connections, handshakes,
requests with their answers and what their time was spent on, and failures; a line each. Lines that
repeat are one line with their number and the shortest and longest time.

  pidwire story -- curl http://localhost/    a command
  pidwire story 1234 --for 10s               a process
  pidwire story curl.pidwire                 recordings, captures, and output of other tools

With -- COMMAND the lines go to standard error, or with -o - to standard output.`

// story writes messages and milestones only.
func (v *viewFlags) story(out io.Writer, l notationOf) sink.Sink {
	return story.New(out, story.Options{Notation: l.values, Start: l.start})
}

// storyFiles reports whether all arguments are files, and none is a target.
func storyFiles(args []string) bool {
	return len(args) > 0 && !slices.ContainsFunc(args, func(name string) bool {
		st, err := os.Stat(name)
		return name != "-" && (err != nil || st.IsDir())
	})
}

// missingFile returns an error for an argument that can only be the name of a file, and is none.
func missingFile(verb string, args []string) error {
	for _, name := range args {
		if strings.ContainsAny(name, ":=@*?[") {
			continue // cgroup:/x, =/usr/bin/x, a pattern
		}
		st, err := os.Stat(name)
		switch {
		case err == nil && st.IsDir() && strings.ContainsRune(name, '/'):
			return fmt.Errorf("%s is a directory: %s needs a target, a command or files", clean.Text(name), verb)
		case errors.Is(err, fs.ErrNotExist) && (strings.ContainsRune(name, '/') || path.Ext(name) == ".pidwire"):
			return fmt.Errorf("%s: no such file", clean.Text(name))
		}
	}
	return nil
}

// tellFiles is story for files.
func (a *app) tellFiles(cmd *cobra.Command, v *viewFlags, in *filesFlags, args []string) error {
	v.format, v.layers = "story", map[string]bool{"sys": true, "pkt": true, "msg": true}
	in.resolve, in.quiet, in.lines = v.resolve && !v.numeric, v.quiet, v.output == ""
	return a.open(cmd.Context(), v, &writeFlags{}, in, args)
}
