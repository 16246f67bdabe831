// The npm package `binance` on every stream of its two products, the way its documentation shows
// them. It keeps no books: its pictures are shown as they come, and one book for each symbol is
// kept here, from its REST snapshot and its diff stream, by the exchange's documented procedure.
// What it gets is said on stdout, one JSON object a line (see `ci/clients.py`).
'use strict';
const { DefaultLogger, MainClient, USDMClient, WebsocketClient } = require('binance');
const { version } = require('binance/package.json');

const { MOCKEX_WS_URL: WS, MOCKEX_REST_URL: REST, MOCKEX_PROFILE: PROFILE } = process.env;
const SYMBOLS = process.env.MOCKEX_SYMBOLS.split(',');
const [FIRST] = SYMBOLS;
const NAME = FIRST.toLowerCase();
const INTERVALS = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d',
  '1w', '1M'];
const LEVELS = [5, 10, 20];
const isSpot = PROFILE === 'spot';

const say = (what, facts) => console.log(JSON.stringify({ say: what, ...facts }));
const own = (...names) => names.map((name) => `${NAME}@${name}`);

// By connection: the key that the client's `subscribe` takes, and the streams.
const spot = {
  main: [
    ...own('trade', 'aggTrade', 'blockTrade', 'miniTicker', 'ticker', 'bookTicker', 'avgPrice',
      'referencePrice', 'ticker_1h', 'ticker_4h', 'ticker_1d', 'depth'),
    ...['1s', ...INTERVALS].flatMap((i) => own(`kline_${i}`, `kline_${i}@+08:00`)),
    ...LEVELS.flatMap((n) => own(`depth${n}`, `depth${n}@100ms`)),
    '!miniTicker@arr', '!ticker_1h@arr', '!ticker_4h@arr', '!ticker_1d@arr',
  ],
};
const usdm = {
  usdm: [
    ...own('aggTrade', 'markPrice', 'markPrice@1s', 'miniTicker', 'ticker', 'bookTicker', 'depth',
      'depth@500ms', 'forceOrder'),
    ...INTERVALS.flatMap((i) => own(`kline_${i}`)),
    ...INTERVALS.map((i) => `${NAME}_perpetual@continuousKline_${i}`),
    ...LEVELS.flatMap((n) => own(`depth${n}`, `depth${n}@500ms`, `depth${n}@100ms`)),
    '!miniTicker@arr', '!ticker@arr', '!bookTicker', '!markPrice@arr', '!markPrice@arr@1s',
    '!forceOrder@arr', '!contractInfo', '!assetIndex@arr', 'tradingSession', 'ethusd@assetIndex',
    'indexusdt@compositeIndex', 'domusdt@compositeIndex',
  ],
  // Its key `usdm` takes these to `/market`, where the exchange keeps silent on them.
  usdmPublic: own('trade', 'rpiDepth@500ms'),
};
const offers = isSpot ? spot : usdm;
const bookKey = isSpot ? 'main' : 'usdmPublic';

const rest = isSpot ? new MainClient({ baseUrl: REST }) : new USDMClient({ baseUrl: REST });
const logger = { ...DefaultLogger, info: console.error, error: console.error }; // not to stdout
const ws = new WebsocketClient({ wsUrl: WS }, logger);

// One book by "How to manage a local order book correctly".
class Book {
  constructor(symbol) {
    this.symbol = symbol;
    this.stream = `${symbol.toLowerCase()}@depth@100ms`;
    this.waiting = [];
    this.id = null;
    this.sides = [new Map(), new Map()];
  }

  take(event) {
    if (this.id === null) {
      this.waiting.push(event);
      if (this.waiting.length === 1) this.begin().catch((error) => complain(this.stream, error));
      return;
    }
    if (isSpot ? event.u <= this.id : event.u < this.id) return;
    const follows = isSpot ? event.U <= this.id + 1 : event.U <= this.id || event.pu === this.id;
    if (!follows) {
      say('problem', { text: `${this.symbol}: ${event.U} after ${this.id}` });
      return;
    }
    this.set(event.b, event.a);
    this.id = event.u;
    this.show();
  }

  async begin() {
    let snapshot;
    do {
      snapshot = await rest.getOrderBook({ symbol: this.symbol, limit: 1000 });
    } while (snapshot.lastUpdateId < this.waiting[0].U);
    this.set(snapshot.bids, snapshot.asks);
    this.id = snapshot.lastUpdateId;
    this.show();
    for (const event of this.waiting) this.take(event);
  }

  set(...sides) {
    sides.forEach((levels, side) => {
      for (const [price, quantity] of levels) {
        if (Number(quantity)) this.sides[side].set(Number(price), quantity);
        else this.sides[side].delete(Number(price));
      }
    });
  }

  show() {
    const [bids, asks] = this.sides.map((side) => [...side]);
    bids.sort((one, other) => other[0] - one[0]);
    asks.sort((one, other) => one[0] - other[0]);
    say('book', { stream: this.stream, symbol: this.symbol, id: this.id, levels: null, bids, asks });
  }
}

const complain = (where, error) => {
  const text = error?.message ?? error?.error?.message ?? JSON.stringify(error) ?? String(error);
  say('problem', { text: `${where}: ${text}`.slice(0, 300) });
};

const books = new Map(SYMBOLS.map((symbol) => [`${symbol.toLowerCase()}@depth@100ms`,
  new Book(symbol)]));

// Its events come without their envelope; `streamName` is what it adds to them.
ws.on('message', (event) => {
  const stream = event.stream ?? event.streamName ?? event[0]?.streamName;
  if (stream === undefined) {
    say('problem', { text: `an event without a stream name: ${JSON.stringify(event)}`.slice(0, 300) });
    return;
  }
  say('data', { stream });
  const data = event.data ?? event;
  const levels = /@depth(5|10|20)(@\d+ms)?$/.exec(stream)?.[1];
  if (books.has(stream)) books.get(stream).take(data);
  else if (levels !== undefined) {
    say('book', {
      stream,
      symbol: FIRST,
      id: data.lastUpdateId ?? data.u,
      levels: Number(levels),
      bids: data.bids ?? data.b,
      asks: data.asks ?? data.a,
    });
  }
});
ws.on('exception', (error) => complain('exception', error));
ws.on('reconnecting', ({ wsKey }) => say('problem', { text: `reconnecting ${wsKey}` }));

const one = { symbol: FIRST };
const klines = { ...one, interval: '1m', limit: 5 };
const continuous = { pair: FIRST, contractType: 'PERPETUAL', interval: '1m', limit: 5 };
const calls = isSpot
  ? {
    testConnectivity: [], getExchangeInfo: [], getOrderBook: [{ ...one, limit: 5 }],
    getRecentTrades: [one], getHistoricalTrades: [one], getAggregateTrades: [one],
    getKlines: [klines], getUIKlines: [klines], getAvgPrice: [one], get24hrChangeStatistics: [one],
    getTradingDayTicker: [one], getSymbolPriceTicker: [one], getSymbolOrderBookTicker: [one],
    getRollingWindowTicker: [one],
  }
  : {
    testConnectivity: [], getExchangeInfo: [], getOrderBook: [{ ...one, limit: 5 }],
    getRecentTrades: [one], getAggregateTrades: [one], getKlines: [klines],
    getContinuousContractKlines: [continuous],
    getIndexPriceKlines: [{ ...continuous, contractType: undefined }],
    getMarkPriceKlines: [klines], getPremiumIndexKlines: [klines], getMarkPrice: [one],
    getFundingRateHistory: [one], getFundingRates: [], get24hrChangeStatistics: [one],
    getSymbolPriceTicker: [one], getSymbolPriceTickerV2: [one], getSymbolOrderBookTicker: [one],
    getOpenInterest: [one], getCompositeSymbolIndex: [], getMultiAssetsModeAssetIndex: [],
    getIndexPriceConstituents: [one],
  };

const main = async () => {
  say('hello', { client: 'binance (npm)', version });
  say('offers', { streams: [...Object.values(offers).flat(), ...books.keys()] });
  say('asks', { calls: Object.keys(calls) });
  for (const [key, streams] of Object.entries(offers)) await ws.subscribe(streams, key);
  await ws.subscribe([...books.keys()], bookKey);
  for (const [call, parameters] of Object.entries(calls)) {
    try {
      const answer = await rest[call](...parameters);
      say('rest', { call, answer: JSON.stringify(answer)?.slice(0, 200) });
    } catch (error) { // each call is judged by itself
      say('rest', { call, error: String(error?.message || JSON.stringify(error)).slice(0, 300) });
    }
  }
};

main().catch((error) => {
  complain('main', error);
  process.exitCode = 1;
});
