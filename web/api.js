// The HTTP contract as the pages use it: requests, the login that one of them may need, and the stream
// of all jobs' events.
import {h, open} from './dom.js';

// An answer that is an error, or none at all (status 0).
export class Problem extends Error {
  constructor(status, body) {
    const faults = Array.isArray(body?.detail) ? body.detail : [];
    super(faults.length ? faults.map(faultText).join('; ') : body?.detail ?? body?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code;
    this.faults = faults;
  }
}

export const faultText = (fault) => {
  const text = fault.msg.replace(/^Value error, /, '');
  return text.startsWith(fault.loc.at(-1)) || fault.loc.length < 2 ? text : `${fault.loc.at(-1)}: ${text}`;
};

// The answer's body, read as JSON where it is JSON; `answer` of the options takes the Response itself.
export async function ask(method, path, {body, headers = {}, signal, answer} = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, {
        method, signal, credentials: 'same-origin', cache: 'no-store',
        headers: body === undefined ? headers : {'Content-Type': 'application/json', ...headers},
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem(0, {detail: 'The server does not answer. It may be restarting; jobs go on where they stood.'});
    }
    if (response.status === 401 && path !== '/login') {
      await login();
      continue;
    }
    const isJson = response.headers.get('Content-Type')?.includes('json');
    const text = response.status === 204 ? '' : await response.text();
    const value = isJson && text ? JSON.parse(text) : text;
    if (!response.ok) throw new Problem(response.status, isJson ? value : null);
    answer?.(response);
    return value;
  }
}
export const get = (path, options) => ask('GET', path, options);
export const post = (path, body, options) => ask('POST', path, {...options, body});

// A submit is sent once, however often its button or the network tries.
export const newKey = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16)).join('');

export const query = (members) => {
  const text = new URLSearchParams(Object.entries(members).filter(([, value]) => value !== null && value !== undefined && value !== '')).toString();
  return text ? `?${text}` : '';
};

// --- who is logged in -------------------------------------------------------------------------------

// What the login said: name and scope. The server has the last word; this is for buttons.
export const who = JSON.parse(localStorage.getItem('betedge.who') ?? 'null') ?? {};
const LEVELS = ['read', 'submit', 'admin'];
export const may = (scope) => !who.access || LEVELS.indexOf(who.access) >= LEVELS.indexOf(scope);

let pending = null;
function login() {
  pending ??= new Promise((resolve) => {
    const error = h('p.error', {role: 'alert'});
    const token = h('input', {id: 'token', type: 'password', name: 'token', autocomplete: 'current-password', required: true, autofocus: true});
    const button = h('button.primary', 'Log in');
    const enter = async (event) => {
      event.preventDefault();
      button.disabled = true;
      error.textContent = '';
      try {
        Object.assign(who, await post('/login', {token: token.value.trim()}));
        localStorage.setItem('betedge.who', JSON.stringify(who));
        dialog.close();
        pending = null;
        dispatchEvent(new Event('betedge:login'));
        resolve();
      } catch (problem) {
        error.textContent = problem.message;
        token.select();
      }
      button.disabled = false;
    };
    const dialog = open('login', 'Log in', () => h('form', {onsubmit: enter},
      h('h2', 'Log in'),
      h('p', 'This server asks for a token. Whoever set it up has made one, with ', h('code', 'betedge token'), '.'),
      h('label', {for: 'token'}, 'Token'), token, error, button));
    dialog.addEventListener('cancel', (event) => event.preventDefault());
  });
  return pending;
}

export async function logout() {
  await post('/logout');
  localStorage.removeItem('betedge.who');
  location.assign('/ui');
}

// --- events of all jobs -----------------------------------------------------------------------------

// Sends `job` (its id, what is known of it, whether that is all), `failed` (an item), `again` (after a
// gap: what ended meanwhile was not told) and `state` ("live", "lost", "paused").
export const live = new EventTarget();
live.state = 'connecting';

const send = (name, detail) => live.dispatchEvent(new CustomEvent(name, {detail}));
function become(state) {
  if (live.state === state) return;
  live.state = state;
  send('state', state);
}

let source = null;
let retry = 0;
let wait = 1000;
let wasThere = false;

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource('/events');
  source.onopen = () => {
    wait = 1000;
    become('live');
  };
  source.onerror = () => {
    become('lost');
    // The browser tries again by itself unless it was refused: a login is needed, or the server starts.
    if (source.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(() => get('/version').then(connect, () => {
      wait = Math.min(wait * 2, 15000);
      source.onerror();
    }), wait);
  };
  source.addEventListener('snapshot', (event) => {
    for (const job of JSON.parse(event.data).jobs) send('job', job);
    if (wasThere) send('again');
    wasThere = true;
  });
  for (const name of ['progress', 'end']) source.addEventListener(name, (event) => send('job', JSON.parse(event.data)));
  source.addEventListener('item_failed', (event) => send('failed', JSON.parse(event.data)));
}

// A page that nobody sees costs the server nothing.
let hidden = 0;
export function watch() {
  connect();
  addEventListener('betedge:login', connect);
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden);
    if (document.hidden) {
      hidden = setTimeout(() => {
        clearTimeout(retry);
        source.close();
        become('paused');
      }, 20000);
    } else if (live.state !== 'live') {
      connect();
    }
  });
}

// Does something now and then, as long as the page is seen and the signal lasts.
export function every(ms, signal, act) {
  let timer;
  const turn = async () => {
    if (!document.hidden) await act().catch(() => {});
    if (!signal.aborted) timer = setTimeout(turn, ms);
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  turn();
}
