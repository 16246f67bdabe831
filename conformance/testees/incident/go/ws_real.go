package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	innerDelay       = 500 * time.Millisecond // before the inner loop dials again; never scaled
	handshakeTimeout = 3 * time.Second        // declared as handshake_timeout_ms
)

// Handler is told what happens on any connection of a WsReal.
type Handler interface {
	OnState(state string)
	OnMessage(message []byte)
	OnDisconnect()
}

// WsReal is the first of the two owners: it connects for ever, until Close.
type WsReal struct {
	target string

	mu     sync.Mutex
	closed bool
	conns  map[*websocket.Conn]bool
	newest *websocket.Conn
}

func NewWsReal(target string) *WsReal {
	return &WsReal{target: target, conns: map[*websocket.Conn]bool{}}
}

// Run connects and reads, again and again. It returns nil after Close or a cancel, which are ends
// that were asked for; a lost connection never ends it. Each call is a loop of its own: that is
// what leaks. Only fix1-context hands in a context that can be cancelled.
func (w *WsReal) Run(ctx context.Context, handler Handler) error {
	if _, err := url.Parse(w.target); err != nil {
		return fmt.Errorf("dialling again does not mend a bad URL: %w", err)
	}
	for !w.ended(ctx) {
		handler.OnState("connecting")
		conn := w.dial(ctx)
		if conn != nil {
			handler.OnState("live")
			w.read(ctx, conn, handler)
		}
		if w.ended(ctx) {
			return nil // our own close is no disconnect
		}
		if conn != nil {
			handler.OnDisconnect()
		}
		handler.OnState("waiting")
		select {
		case <-ctx.Done():
		case <-time.After(innerDelay):
		}
	}
	return nil
}

// Close ends every Run and every connection, also one that is still being dialled.
func (w *WsReal) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for conn := range w.conns {
		conn.Close()
	}
}

// CloseNewest closes the socket that was opened last, and nothing else.
func (w *WsReal) CloseNewest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest != nil {
		w.newest.Close()
	}
}

func (w *WsReal) ended(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed || ctx.Err() != nil
}

// dial subscribes as it connects: the target names the streams. A failure gives nil.
func (w *WsReal) dial(ctx context.Context) *websocket.Conn {
	stop := func() bool { return false }
	dialer := websocket.Dialer{
		HandshakeTimeout: handshakeTimeout,
		NetDialContext: func(dialCtx context.Context, network, address string) (net.Conn, error) {
			socket, err := (&net.Dialer{}).DialContext(dialCtx, network, address)
			if err == nil { // the library does not watch the context while it waits for the 101
				stop = context.AfterFunc(ctx, func() { socket.Close() })
			}
			return socket, err
		},
	}
	conn, _, err := dialer.DialContext(ctx, w.target, nil)
	stop()
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || ctx.Err() != nil {
		conn.Close()
		return nil
	}
	w.conns[conn] = true
	w.newest = conn
	return conn
}

// read hands over messages until a read fails. Pings are answered by the library meanwhile.
func (w *WsReal) read(ctx context.Context, conn *websocket.Conn, handler Handler) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		stop()
		conn.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, conn)
	}()
	for {
		_, message, err := conn.ReadMessage()
		if err != nil || w.ended(ctx) { // frames that were buffered outlive the socket
			return
		}
		handler.OnMessage(message)
	}
}
