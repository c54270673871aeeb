package mcpbridge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxStdioLine bounds one message on stdio: a mail of 45 MiB in base64.
const maxStdioLine = 64 << 20

// lineTransport is the SDK's stdio transport behind a filter: a line that is no
// message is answered with its JSON-RPC error and goes no further. The SDK alone
// ends the session there, and an agent loses its tools to one bad line.
type lineTransport struct {
	in  io.Reader
	out *lockedWriter
}

// Connect implements mcp.Transport.
func (t *lineTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(t.filter(w)) }()
	inner := &mcp.IOTransport{Reader: r, Writer: t.out, MaxLineLength: maxStdioLine + 2}
	return inner.Connect(ctx)
}

// filter passes messages on to w until the input ends; nil is its regular end.
func (t *lineTransport) filter(w io.Writer) error {
	in := bufio.NewReaderSize(t.in, 64<<10)
	for {
		line, long, err := readLine(in, maxStdioLine)
		msg := bytes.TrimSpace(line)
		var fault *jsonrpc.Error
		switch {
		case long:
			fault = &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest,
				Message: fmt.Sprintf("the message is longer than %d octets", maxStdioLine)}
			msg = nil
		case len(msg) > 0:
			fault = inspect(msg)
		}
		switch {
		case fault != nil:
			if _, err := t.out.Write(append(errorAnswer(msg, fault), '\n')); err != nil {
				return err
			}
		case len(msg) > 0:
			if _, err := w.Write(append(msg, '\n')); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads up to the next LF. Of a line longer than limit it keeps
// nothing and says so.
func readLine(r *bufio.Reader, limit int) (line []byte, long bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if long = long || len(line)+len(piece) > limit; long {
			line = nil
		} else {
			line = append(line, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// lockedWriter keeps the messages of two writers apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// Close implements io.Closer. The writer is the caller's to close.
func (l *lockedWriter) Close() error { return nil }
