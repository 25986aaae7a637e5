// Command mockoidc is the OpenID Connect provider of tonearm's tests: github.com/oauth2-proxy/mockoidc, whose pages and
// tokens it serves as they are, and a control side for what a right provider never does: tokens with chosen headers,
// claims and keys, wrong answers, keys that change. It listens on loopback only and has no secrets worth keeping.
//
// It prints "ready on ADDR" once it answers; its issuer is http://ADDR/oidc (https with -cert and -key). See control.go.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/oauth2-proxy/mockoidc"
)

type provider struct {
	lock     sync.Mutex // mockoidc's own tables have none
	mock     *mockoidc.MockOIDC
	base     string
	retired  []*mockoidc.Keypair // no longer signing, still told
	stranger *mockoidc.Keypair   // told to nobody
	curve    *curveKey
	asked    map[string]int          // path -> requests
	canned   map[string]answer       // path -> what is answered instead
	spoilt   tokenWish               // what is wrong with ID tokens
	document map[string]any          // members of the discovery document that are to be others; nil: left out
	muxes    map[string]http.Handler // path -> what answers
}

type answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Size    int               `json:"size"` // so many bytes in the body's place
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "loopback `address` to listen on; port 0 picks a free one")
	client := flag.String("client-id", "tonearm", "the `name` of the one client")
	secret := flag.String("client-secret", "mockoidc-secret", "its `secret`")
	cert := flag.String("cert", "", "PEM `file`: serve https")
	key := flag.String("key", "", "PEM `file` of the certificate's key")
	flag.Parse()
	if err := run(*listen, *client, *secret, *cert, *key); err != nil {
		fmt.Fprintln(os.Stderr, "mockoidc:", err)
		os.Exit(1)
	}
}

func run(listen, client, secret, cert, key string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if !ln.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return fmt.Errorf("%s is not loopback", listen)
	}
	scheme := "http"
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}})
		scheme = "https"
	}
	p, err := newProvider(scheme+"://"+ln.Addr().String(), client, secret)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(os.Stderr, "", 0)}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.Close()
	}()
	fmt.Println("ready on", ln.Addr())
	if err := server.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func newProvider(base, client, secret string) (*provider, error) {
	pair, err := mockoidc.RandomKeypair(2048)
	if err != nil {
		return nil, err
	}
	stranger, err := mockoidc.RandomKeypair(2048)
	if err != nil {
		return nil, err
	}
	curve, err := newCurveKey()
	if err != nil {
		return nil, err
	}
	mock, err := mockoidc.NewServer(pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	mock.ClientID, mock.ClientSecret = client, secret
	mock.CodeChallengeMethodsSupported = []string{"S256"}
	// The library tells its addresses by this server's; ours does the serving.
	mock.Server = &http.Server{Addr: strings.SplitN(base, "://", 2)[1]}
	p := &provider{mock: mock, base: base, stranger: stranger, curve: curve,
		asked: map[string]int{}, canned: map[string]answer{}, document: map[string]any{}}
	p.muxes = map[string]http.Handler{
		mockoidc.AuthorizationEndpoint: http.HandlerFunc(mock.Authorize),
		mockoidc.TokenEndpoint:         http.HandlerFunc(p.token),
		mockoidc.UserinfoEndpoint:      http.HandlerFunc(mock.Userinfo),
		mockoidc.JWKSEndpoint:          http.HandlerFunc(p.jwks),
		mockoidc.DiscoveryEndpoint:     http.HandlerFunc(p.discovery),
	}
	for path, handler := range p.controls() {
		p.muxes[path] = handler
	}
	return p, nil
}

func (p *provider) issuer() string {
	return p.base + mockoidc.IssuerBase
}

func (p *provider) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	p.lock.Lock()
	defer p.lock.Unlock()
	path := req.URL.Path
	p.asked[path]++
	if canned, ok := p.canned[path]; ok {
		for name, value := range canned.Headers {
			rw.Header().Set(name, value)
		}
		rw.WriteHeader(canned.Status)
		rw.Write([]byte(canned.Body + strings.Repeat(" ", canned.Size)))
		return
	}
	if handler, ok := p.muxes[path]; ok {
		handler.ServeHTTP(rw, req)
		return
	}
	http.NotFound(rw, req)
}

func writeJSON(rw http.ResponseWriter, status int, value any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(value)
}

// discovery is the library's document with our scheme, and what a test wants to be wrong about it.
func (p *provider) discovery(rw http.ResponseWriter, req *http.Request) {
	recorder := httptest.NewRecorder()
	p.mock.Discovery(recorder, req)
	text := bytes.ReplaceAll(recorder.Body.Bytes(), []byte(p.mock.Addr()+"/"), []byte(p.base+"/"))
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	merge(document, p.document)
	writeJSON(rw, http.StatusOK, document)
}

// token is the library's endpoint; it also takes the client's name and secret as HTTP Basic, which the document
// announces, tells seconds where the library tells nanoseconds, and signs the ID token anew.
func (p *provider) token(rw http.ResponseWriter, req *http.Request) {
	if err := req.ParseForm(); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	if name, secret, ok := req.BasicAuth(); ok {
		req.Form.Set("client_id", name)
		req.Form.Set("client_secret", secret)
	}
	recorder := httptest.NewRecorder()
	p.mock.Token(recorder, req)
	var body map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	if recorder.Code == http.StatusOK {
		body["expires_in"] = int(p.mock.AccessTTL / time.Second)
		if id, ok := body["id_token"].(string); ok {
			signed, err := p.resign(id)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			body["id_token"] = signed
		}
	}
	writeJSON(rw, recorder.Code, body)
}
