package main

import (
	"context"
	"sync"
	"time"
)

const fix2Pause = 5 * time.Second

// Adapter guards the start with a flag. What the variants change is all in this file.
type Adapter struct {
	variant string
	target  string
	program *Program

	mu      sync.Mutex
	started bool
	ws      *WsReal            // one, shared by all starts; fix1-client alone replaces it
	cancel  context.CancelFunc // of the newest start, in the variants that have one
}

func NewAdapter(variant, target string, program *Program) *Adapter {
	return &Adapter{
		variant: variant, target: target, program: program,
		ws: NewWsReal(target), cancel: func() {},
	}
}

// StartIfReady starts a goroutine that keeps a connection, unless the flag says there is one.
func (a *Adapter) StartIfReady() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started {
		return
	}
	ctx := context.Background()
	switch a.variant {
	case "fix1-socket": // cancel before start, as written: the new context reaches nobody
		a.ws.CloseNewest()
		a.cancel()
		_, a.cancel = context.WithCancel(context.Background())
	case "fix1-client": // a client for each start
		a.ws.Close()
		a.ws = NewWsReal(a.target)
	case "fix1-context": // the context is observed by Run
		a.cancel()
		ctx, a.cancel = context.WithCancel(context.Background())
	}
	a.started = true
	go a.keepRunning(ctx, a.ws)
}

func (a *Adapter) keepRunning(ctx context.Context, ws *WsReal) {
	if a.variant == "fix2" { // one goroutine for ever; nothing here clears the flag
		for {
			_ = ws.Run(ctx, a)
			time.Sleep(fix2Pause)
		}
	}
	if err := ws.Run(ctx, a); err != nil {
		a.clearStarted()
	}
}

// ReconnectStreams is what the runner calls when data are late.
func (a *Adapter) ReconnectStreams() { a.StartIfReady() }

// Close closes the client and nothing else.
func (a *Adapter) Close() {
	a.mu.Lock()
	ws := a.ws
	a.mu.Unlock()
	ws.Close()
}

// OnDisconnect clears the flag although Run goes on: the second owner's way in.
func (a *Adapter) OnDisconnect() {
	if a.variant == "fix3" { // one owner: reconnecting is left to the inner loop
		return
	}
	a.clearStarted()
}

func (a *Adapter) OnMessage(message []byte) { a.program.Present(message) }

func (a *Adapter) OnState(state string) { a.program.SayState(state) }

func (a *Adapter) clearStarted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.started = false
}
