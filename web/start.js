// Before the first paint: what was chosen with the button, against the system's light or dark.
try {
  const chosen = localStorage.getItem('betedge.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing shows the system's.
}

// Behind it: the app. Loading its modules beside the page keeps the first paint waiting for a third of its time
// (ADR 0016). A tab in the background paints nothing; hence the clock. Twice is once: a module is loaded one time.
const begin = () => import('./app.js').catch((problem) => {
  console.error(problem);
  document.querySelector('#main .loading')?.replaceChildren('The dashboard cannot begin: the server did not send all of it, or this browser is too old for it. Load this page again.');
});
requestAnimationFrame(() => setTimeout(begin));
setTimeout(begin, 200);
