// A small `URL` for scripts that expect one. The client has none.
export default () => {
  class URLSearchParams {
    #pairs = [];
    constructor(init = '') {
      if (typeof init === 'string') {
        for (const part of init.replace(/^\?/, '').split('&')) {
          if (part === '') continue;
          const [key, ...rest] = part.split('=');
          this.#pairs.push([decode(key), decode(rest.join('='))]);
        }
      } else if (init && typeof init[Symbol.iterator] === 'function') {
        for (const [key, value] of init) this.#pairs.push([String(key), String(value)]);
      } else {
        for (const [key, value] of Object.entries(init ?? {})) this.#pairs.push([key, String(value)]);
      }
    }
    get(key) { return this.#pairs.find(([own]) => own === key)?.[1] ?? null; }
    getAll(key) { return this.#pairs.filter(([own]) => own === key).map(([, value]) => value); }
    has(key) { return this.#pairs.some(([own]) => own === key); }
    append(key, value) { this.#pairs.push([String(key), String(value)]); }
    delete(key) { this.#pairs = this.#pairs.filter(([own]) => own !== key); }
    set(key, value) {
      const at = this.#pairs.findIndex(([own]) => own === key);
      if (at < 0) { this.append(key, value); return; }
      this.#pairs = this.#pairs.filter(([own], index) => own !== key || index === at);
      this.#pairs[this.#pairs.findIndex(([own]) => own === key)][1] = String(value);
    }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); }
    forEach(visit) { for (const [key, value] of this.#pairs) visit(value, key, this); }
    *entries() { yield* this.#pairs.map(([key, value]) => [key, value]); }
    *keys() { for (const [key] of this.#pairs) yield key; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get size() { return this.#pairs.length; }
    toString() { return this.#pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&'); }
  }
  const decode = (text) => {
    const spaced = text.replace(/\+/g, ' ');
    try { return decodeURIComponent(spaced); } catch { return spaced; }
  };
  const encode = (text) => encodeURIComponent(text).replace(/%20/g, '+');
  const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21' };
  const PATTERN = /^([a-z][a-z0-9+.-]*:)(?:\/\/(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/i;
  const tidy = (path) => {
    const parts = [];
    const given = path.split('/');
    for (const [index, part] of given.entries()) {
      const last = index === given.length - 1;
      if (part === '..') { if (parts.length > 1) parts.pop(); if (last) parts.push(''); }
      else if (part === '.') { if (last) parts.push(''); }
      else parts.push(part);
    }
    return parts.join('/');
  };
  class URL {
    #query;
    constructor(input, base) {
      let text = String(input).trim();
      if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) {
        if (base === undefined) throw new TypeError('Invalid URL');
        const root = new URL(base);
        if (text.startsWith('//')) text = root.protocol + text;
        else if (text.startsWith('/')) text = root.origin + text;
        else if (text.startsWith('?')) text = root.origin + root.pathname + text;
        else if (text.startsWith('#')) text = root.origin + root.pathname + root.search + text;
        else text = root.origin + root.pathname.replace(/[^/]*$/, '') + text;
      }
      const match = PATTERN.exec(text);
      if (match === null) throw new TypeError('Invalid URL');
      const [, protocol, username = '', password = '', host, port = '', path, search = '', hash = ''] = match;
      this.protocol = protocol.toLowerCase();
      const special = this.protocol in PORTS;
      if (special && !host) throw new TypeError('Invalid URL');
      this.username = username;
      this.password = password;
      this.hostname = (host ?? '').toLowerCase();
      this.port = port === PORTS[this.protocol] ? '' : port;
      this.pathname = special ? tidy(path || '/') : path;
      this.search = search === '?' ? '' : search;
      this.hash = hash === '#' ? '' : hash;
      this.searchParams = new URLSearchParams(this.search);
      this.#query = this.searchParams.toString();
    }
    get host() { return this.port === '' ? this.hostname : `${this.hostname}:${this.port}`; }
    get origin() { return this.hostname === '' ? 'null' : `${this.protocol}//${this.host}`; }
    get href() {
      const login = this.username === '' ? '' : `${this.username}${this.password === '' ? '' : `:${this.password}`}@`;
      const query = this.searchParams.toString();
      const search = query === this.#query ? this.search : query === '' ? '' : `?${query}`;
      const slashes = this.hostname === '' && !(this.protocol === 'file:') ? '' : '//';
      return `${this.protocol}${slashes}${login}${this.host}${this.pathname}${search}${this.hash}`;
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
    static canParse(input, base) {
      try { return Boolean(new URL(input, base)); } catch { return false; }
    }
    static parse(input, base) {
      try { return new URL(input, base); } catch { return null; }
    }
  }
  return { URL, URLSearchParams };
};
