// An authentication service as those in Go are that keep a session in its cookie: signed with HMAC-SHA256, sealed with
// AES-GCM, JSON inside. It does what they can't do without and no more, so that none of them costs less.
//
//	answers PORT COOKIES SEALED
//
// COOKIES are the users' cookies, one user a line; the same with a session for each are written to SEALED.
package main

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

type session struct {
	User    string
	Groups  []string
	Expires time.Time
}

var (
	key = random(32)
	box = newBox(random(32))
)

func main() {
	if err := sealAll(os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(answer)))
}

func answer(w http.ResponseWriter, r *http.Request) {
	session, err := open(r)
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("X-User", session.User)
	w.WriteHeader(http.StatusOK)
}

func open(r *http.Request) (*session, error) {
	cookie, err := r.Cookie("sealed")
	if err != nil {
		return nil, err
	}
	both, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(both) < sha256.Size+box.NonceSize() {
		return nil, fmt.Errorf("malformed")
	}
	sealed, signature := both[:len(both)-sha256.Size], both[len(both)-sha256.Size:]
	if !hmac.Equal(signed(sealed), signature) {
		return nil, fmt.Errorf("not signed by this service")
	}
	plain, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
	if err != nil {
		return nil, err
	}
	var opened session
	if err := json.Unmarshal(plain, &opened); err != nil {
		return nil, err
	}
	if time.Now().After(opened.Expires) {
		return nil, fmt.Errorf("expired")
	}
	return &opened, nil
}

func sealAll(from, to string) error {
	cookies, err := os.Open(from)
	if err != nil {
		return err
	}
	defer cookies.Close()
	with, err := os.Create(to)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(cookies)
	for number := 0; lines.Scan(); number++ {
		plain, err := json.Marshal(session{fmt.Sprintf("user-%06d", number), []string{"ops"}, time.Now().Add(24 * time.Hour)})
		if err != nil {
			return err
		}
		nonce := random(box.NonceSize())
		sealed := box.Seal(nonce, nonce, plain, nil)
		both := append(sealed, signed(sealed)...)
		fmt.Fprintf(with, "%s; sealed=%s\n", lines.Text(), base64.RawURLEncoding.EncodeToString(both))
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return with.Close()
}

func signed(sealed []byte) []byte {
	signature := hmac.New(sha256.New, key)
	signature.Write(sealed)
	return signature.Sum(nil)
}

func newBox(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		log.Fatal(err)
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		log.Fatal(err)
	}
	return box
}

func random(length int) []byte {
	bytes := make([]byte, length)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return bytes
}
