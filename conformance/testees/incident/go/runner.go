package main

import (
	"sync/atomic"
	"time"
)

const (
	gap  = 250 * time.Millisecond // the data are late after this; never scaled
	poll = 50 * time.Millisecond
)

// Runner is the second owner: it sees the data stop and asks for a reconnect. It belongs to the
// program, so a closed adapter does not end it.
type Runner struct {
	adapter     *Adapter
	lastMessage atomic.Int64 // ns since the epoch of `began`
	began       time.Time
}

func NewRunner(adapter *Adapter) *Runner {
	return &Runner{adapter: adapter, began: time.Now()}
}

// MessageArrived may be called from any goroutine.
func (r *Runner) MessageArrived() { r.lastMessage.Store(int64(time.Since(r.began))) }

// Run looks every `poll` until the process ends.
func (r *Runner) Run() {
	for range time.Tick(poll) {
		if time.Since(r.began)-time.Duration(r.lastMessage.Load()) > gap {
			r.adapter.ReconnectStreams()
		}
	}
}
