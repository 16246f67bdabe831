package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	codeUnknownMethod = -32601
	codeBadParams     = -32602
	codeRefused       = -32000
	maxLine           = 1 << 20
	maxQueued         = 50_000 // lines; beyond it notifications are dropped, answers never
)

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (f *failure) Error() string { return f.Message }

type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Pipe speaks the suite's protocol, one JSON-RPC message per line. Nobody who says something waits
// for the reader of stdout: lines are queued, and one goroutine writes them.
type Pipe struct {
	mu      sync.Mutex
	changed *sync.Cond
	queued  [][]byte
	ending  bool
	written chan struct{}
}

func NewPipe(out io.Writer) *Pipe {
	p := &Pipe{written: make(chan struct{})}
	p.changed = sync.NewCond(&p.mu)
	go p.write(out)
	return p
}

func (p *Pipe) Notify(method string, params any) {
	p.put(map[string]any{"jsonrpc": "2.0", "method": method, "params": params}, maxQueued)
}

// Serve answers requests until `quit` or the end of input, then returns with all answers written.
func (p *Pipe) Serve(in io.Reader, handle func(method string, params json.RawMessage) (any, error)) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil || r.ID == nil {
			fmt.Fprintf(os.Stderr, "not a request, ignored: %.200s\n", line)
			continue
		}
		if r.Method == "quit" {
			p.answer(r.ID, struct{}{}, nil)
			break
		}
		result, err := handle(r.Method, r.Params)
		p.answer(r.ID, result, err)
	}
	p.mu.Lock()
	p.ending = true
	p.changed.Signal()
	p.mu.Unlock()
	<-p.written
}

func (p *Pipe) answer(id json.RawMessage, result any, err error) {
	message := map[string]any{"jsonrpc": "2.0", "id": id}
	if err != nil {
		message["error"] = err
	} else {
		message["result"] = result
	}
	p.put(message, 0)
}

func (p *Pipe) put(message any, limit int) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err) // every message is made of strings and numbers here
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending || limit > 0 && len(p.queued) >= limit {
		return
	}
	p.queued = append(p.queued, append(line, '\n'))
	p.changed.Signal()
}

func (p *Pipe) write(out io.Writer) {
	defer close(p.written)
	for {
		p.mu.Lock()
		for len(p.queued) == 0 && !p.ending {
			p.changed.Wait()
		}
		lines := p.queued
		p.queued = nil
		p.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		if _, err := out.Write(bytes.Join(lines, nil)); err != nil {
			return
		}
	}
}
