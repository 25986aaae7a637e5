package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v3"
	"github.com/oauth2-proxy/mockoidc"
)

type curveKey struct {
	key *ecdsa.PrivateKey
	kid string
}

func newCurveKey() (*curveKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &curveKey{key, "curve-" + base64.RawURLEncoding.EncodeToString(key.X.Bytes()[:8])}, nil
}

// tokenWish says how a token differs from a right one: members of its header and of its claims (null: left out), and
// what it is signed with: "" the present key, "curve" the one on P-256, "stranger" a key that nobody is told, "public"
// the present public key's PEM as an HMAC secret, "none" nothing.
type tokenWish struct {
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
	Key    string         `json:"key"`
}

func merge(into, changes map[string]any) {
	for name, value := range changes {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = value
		}
	}
}

func part(value any) (string, error) {
	text, err := json.Marshal(value)
	return base64.RawURLEncoding.EncodeToString(text), err
}

func (p *provider) sign(header, claims map[string]any, wish tokenWish) (string, error) {
	kid, err := p.mock.Keypair.KeyID()
	if err != nil {
		return "", err
	}
	header["kid"] = kid
	header["alg"] = map[string]string{"curve": "ES256", "public": "HS256", "none": "none"}[wish.Key]
	if header["alg"] == "" {
		header["alg"] = "RS256"
	}
	if wish.Key == "curve" {
		header["kid"] = p.curve.kid
	}
	merge(header, wish.Header)
	merge(claims, wish.Claims)
	head, err := part(header)
	if err != nil {
		return "", err
	}
	body, err := part(claims)
	if err != nil {
		return "", err
	}
	signature, err := p.signature(head+"."+body, wish.Key)
	return head + "." + body + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

func (p *provider) signature(text, key string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	switch key {
	case "":
		return rsa.SignPKCS1v15(rand.Reader, p.mock.Keypair.PrivateKey, crypto.SHA256, digest[:])
	case "stranger":
		return rsa.SignPKCS1v15(rand.Reader, p.stranger.PrivateKey, crypto.SHA256, digest[:])
	case "curve":
		r, s, err := ecdsa.Sign(rand.Reader, p.curve.key, digest[:])
		if err != nil {
			return nil, err
		}
		both := make([]byte, 64)
		r.FillBytes(both[:32])
		s.FillBytes(both[32:])
		return both, nil
	case "public":
		der, err := x509.MarshalPKIXPublicKey(p.mock.Keypair.PublicKey)
		if err != nil {
			return nil, err
		}
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(text))
		return mac.Sum(nil), nil
	case "none":
		return nil, nil
	}
	return nil, fmt.Errorf("no key is called %q", key)
}

// resign makes the library's ID token the wrong one that was asked for.
func (p *provider) resign(token string) (string, error) {
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return "", err
	}
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return "", err
	}
	claims["iss"] = p.issuer() // the library knows no https
	return p.sign(map[string]any{"typ": "JWT"}, claims, p.spoilt)
}

// rotate makes another key sign. The old one is told on, or forgotten.
func (p *provider) rotate(forget bool) (string, error) {
	pair, err := mockoidc.RandomKeypair(2048)
	if err != nil {
		return "", err
	}
	p.retired = append(p.retired, p.mock.Keypair)
	if forget {
		p.retired = nil
	}
	p.mock.Keypair = pair
	return pair.KeyID()
}

func (p *provider) jwks(rw http.ResponseWriter, _ *http.Request) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Use: "sig", Algorithm: string(jose.ES256), Key: &p.curve.key.PublicKey, KeyID: p.curve.kid},
	}}
	for _, pair := range append([]*mockoidc.Keypair{p.mock.Keypair}, p.retired...) {
		kid, err := pair.KeyID()
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Use: "sig", Algorithm: string(jose.RS256), Key: pair.PublicKey, KeyID: kid})
	}
	writeJSON(rw, http.StatusOK, set)
}
