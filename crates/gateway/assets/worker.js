// Keeps the window's page in the browser, as one whole of one version, so that it opens without a network. Above this
// stand the version and the paths. It keeps nothing of what anybody recorded: that is in the page's own ledger.
self.addEventListener("install", event => {
  const kept = async () => {
    const cache = await caches.open(VERSION);
    await cache.addAll(PATHS.map(it => new Request(it, { cache: "reload" })));
    await self.skipWaiting();
  };
  event.waitUntil(kept());
});

self.addEventListener("activate", event => {
  const tidied = async () => {
    for (const it of await caches.keys()) if (it.startsWith("window-") && it !== VERSION) await caches.delete(it);
    await self.clients.claim();
  };
  event.waitUntil(tidied());
});

self.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || !PATHS.includes(url.pathname)) return;
  const found = async () => {
    const cache = await caches.open(VERSION);
    return (await cache.match(url.pathname)) ?? fetch(event.request);
  };
  event.respondWith(found());
});
