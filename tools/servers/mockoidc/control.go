package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/oauth2-proxy/mockoidc"
)

// The control side: each is a POST of JSON to /control/NAME, answered with JSON.
//
//	user     {"Subject", "Email", "EmailVerified", "PreferredUsername", "Groups"}: who signs in next (one each, in order)
//	token    a tokenWish: {"token"}, an access token (RFC 9068) for the audience "tonearm" that lives ten minutes
//	spoil    a tokenWish: what is wrong with all ID tokens from now on; {} = nothing
//	document {member: value}: what is wrong with the discovery document from now on; {} = nothing
//	answer   {"path", "status", "headers", "body", "size"}: what a path answers from now on; status 0 = as ever
//	rotate   {"forget": true: the old keys are told no longer}: {"kid"}
//	asked    {}: {path: requests so far}
func (p *provider) controls() map[string]http.Handler {
	return map[string]http.Handler{
		"/control/user":     control(p.controlUser),
		"/control/token":    control(p.controlToken),
		"/control/spoil":    control(p.controlSpoil),
		"/control/document": control(p.controlDocument),
		"/control/answer":   control(p.controlAnswer),
		"/control/rotate":   control(p.controlRotate),
		"/control/asked":    control(p.controlAsked),
	}
}

func control[In any](do func(In) (any, error)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		var in In
		decoder := json.NewDecoder(req.Body)
		decoder.UseNumber()
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := do(in)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(rw, http.StatusOK, out)
	})
}

type done struct{}

func (p *provider) controlUser(user mockoidc.MockUser) (any, error) {
	p.mock.QueueUser(&user)
	return done{}, nil
}

func (p *provider) controlToken(wish tokenWish) (any, error) {
	now := time.Now()
	token, err := p.sign(map[string]any{"typ": "at+jwt"}, map[string]any{
		"iss": p.issuer(), "aud": "tonearm", "sub": "1234567890", "client_id": p.mock.ClientID,
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}, wish)
	return map[string]string{"token": token}, err
}

func (p *provider) controlSpoil(wish tokenWish) (any, error) {
	p.spoilt = wish
	return done{}, nil
}

func (p *provider) controlDocument(members map[string]any) (any, error) {
	p.document = members
	return done{}, nil
}

func (p *provider) controlAnswer(in struct {
	Path string `json:"path"`
	answer
}) (any, error) {
	delete(p.canned, in.Path)
	if in.Status != 0 {
		p.canned[in.Path] = in.answer
	}
	return done{}, nil
}

func (p *provider) controlRotate(in struct {
	Forget bool `json:"forget"`
}) (any, error) {
	kid, err := p.rotate(in.Forget)
	return map[string]string{"kid": kid}, err
}

func (p *provider) controlAsked(struct{}) (any, error) {
	return p.asked, nil
}
