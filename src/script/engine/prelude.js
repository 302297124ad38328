// The dialect's globals that are simplest in its own language. Runs before the script, in its
// realm, and takes what it needs from the built-ins now, so that a script that changes them later
// changes its own results only. Returns what the host calls back.
export default (host, itemsMax, total) => {
  const { admit, fail, drop, warn, timer, untimer, spent, touch, read, loadUrl, plainText } = host;
  const { isArray } = Array;
  const { prototype: arrayPrototype } = Array;
  const { defineProperty, prototype: objectPrototype } = Object;
  const { construct } = Reflect;
  const [ErrorOf, TypeErrorOf, RangeErrorOf, PromiseOf, ProxyOf, DateOf] =
    [Error, TypeError, RangeError, Promise, Proxy, Date];
  const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
  const hidden = (object, key, value) =>
    defineProperty(object, key, { value, writable: true, configurable: true });

  const make = (name, message) => {
    const error = name === 'TypeError' ? new TypeErrorOf(message)
      : name === 'RangeError' ? new RangeErrorOf(message)
        : new ErrorOf(message);
    if (error.name !== name) hidden(error, 'name', name);
    return error;
  };
  const isBudget = (error) => {
    try {
      return error.name === 'WorkflowBudgetExceededError';
    } catch {
      return false;
    }
  };
  const checkLength = (length) => {
    if (length > itemsMax) {
      throw new RangeErrorOf(`array length ${length} exceeds the maximum of ${itemsMax} supported across the workflow VM boundary`);
    }
  };

  const parallel = async (thunks) => {
    if (!isArray(thunks)) throw new TypeErrorOf('parallel() expects an array of functions');
    const count = thunks.length;
    checkLength(count);
    const calls = [];
    const results = [];
    for (let index = 0; index < count; index++) {
      const thunk = thunks[index];
      if (typeof thunk !== 'function') {
        throw new TypeErrorOf('parallel() expects an array of functions, not promises. Wrap each call: () => agent(...)');
      }
      calls[index] = thunk;
      results[index] = null;
    }
    if (count === 0) return results;
    admit();
    let dropped = 0;
    await new PromiseOf((resolve) => {
      let open = count;
      const run = async (index, thunk) => {
        try {
          results[index] = await thunk();
        } catch (error) {
          if (isBudget(error)) dropped++;
          else fail(`parallel[${index}] failed: `, error);
        }
        if (--open === 0) resolve();
      };
      for (let index = 0; index < count; index++) run(index, calls[index]);
    });
    if (dropped > 0) drop(`parallel: ${dropped} slot(s) dropped — token budget exceeded`);
    return results;
  };

  const pipeline = async (items, ...given) => {
    if (!isArray(items)) throw new TypeErrorOf('pipeline() expects an array as the first argument');
    const stages = [];
    for (let index = 0; index < given.length; index++) {
      if (isArray(given[index])) {
        warn('script::stage-array', 'pipeline() got an array of stages', 'pass the stages one by one: pipeline(items, a, b)');
        for (let inner = 0; inner < given[index].length; inner++) stages[stages.length] = given[index][inner];
      } else {
        stages[stages.length] = given[index];
      }
    }
    for (let index = 0; index < stages.length; index++) {
      if (typeof stages[index] !== 'function') {
        throw new TypeErrorOf('pipeline() stages must be functions: pipeline(items, item => ..., result => ...)');
      }
    }
    const count = items.length;
    checkLength(count);
    const results = [];
    if (count === 0) return results;
    for (let index = 0; index < count; index++) results[index] = null;
    admit();
    await new PromiseOf((resolve) => {
      let open = count;
      const run = async (index, item) => {
        try {
          let value = item;
          for (let stage = 0; stage < stages.length; stage++) {
            const step = stages[stage];
            value = await step(value, item, index);
            if (value === null) break;
          }
          results[index] = value;
        } catch (error) {
          fail(`pipeline[${index}] failed: `, error);
        }
        if (--open === 0) resolve();
      };
      for (let index = 0; index < count; index++) run(index, items[index]);
    });
    return results;
  };

  const noClock = () => {
    throw new ErrorOf('Date.now() / new Date() are unavailable in workflow scripts (breaks resume). Stamp results after the workflow returns, or pass timestamps via args.');
  };
  const DateShim = {
    Date: function (...parts) {
      if (new.target === undefined || parts.length === 0) noClock();
      return construct(DateOf, parts, new.target);
    },
  }.Date;
  defineProperty(DateShim, 'length', { value: 7 });
  defineProperty(DateShim, 'prototype', { value: DateOf.prototype, writable: false });
  hidden(DateShim, 'now', () => noClock());
  hidden(DateShim, 'parse', DateOf.parse);
  hidden(DateShim, 'UTC', DateOf.UTC);
  hidden(DateOf.prototype, 'constructor', DateShim);
  hidden(globalThis, 'Date', DateShim);
  hidden(Math, 'random', () => {
    throw new ErrorOf('Math.random() is unavailable in workflow scripts (breaks resume). For N independent samples, include the index in the agent label or prompt.');
  });

  // Plain data has its text from the host, which is faster; everything else is the engine's.
  const { stringify: engineStringify } = JSON;
  hidden(JSON, 'stringify', {
    stringify(value, replacer, space) {
      const indent = space === undefined ? 0
        : typeof space === 'number' && space >= 0 && space <= 10 ? space | 0 : -1;
      if (typeof value === 'object' && (replacer === undefined || replacer === null) && indent >= 0) {
        const text = plainText(value, indent, objectPrototype, arrayPrototype);
        if (text !== undefined) return text;
      }
      return engineStringify(value, replacer, space);
    },
  }.stringify);

  // Which keys of `args` a script reads. Only the object itself is wrapped: its values, and arrays,
  // are what they are.
  const ownKey = (key) => typeof key === 'string' && !(key in objectPrototype) && key !== 'toJSON' && key !== 'then';
  const watched = (target) => new ProxyOf(target, {
    get: (object, key) => {
      if (ownKey(key)) read(key);
      return object[key];
    },
    has: (object, key) => {
      if (ownKey(key)) read(key);
      return key in object;
    },
    getOwnPropertyDescriptor: (object, key) => {
      if (ownKey(key)) read(key);
      return Object.getOwnPropertyDescriptor(object, key);
    },
  });
  const plain = (value) => typeof value === 'object' && value !== null && !isArray(value);
  const setArgs = (given) => {
    const value = plain(given) ? watched(given) : given;
    defineProperty(globalThis, 'args', {
      get: () => {
        touch();
        return value;
      },
      set: (other) => {
        defineProperty(globalThis, 'args', { value: other, writable: true, enumerable: true, configurable: true });
      },
      enumerable: true,
      configurable: true,
    });
  };

  const { agent, phase, log, say, workflow } = host;
  globalThis.agent = agent;
  globalThis.parallel = parallel;
  globalThis.pipeline = pipeline;
  globalThis.phase = phase;
  globalThis.log = log;
  globalThis.workflow = workflow;
  globalThis.budget = {
    total,
    spent: () => spent(),
    remaining: () => {
      if (total === null) return Infinity;
      const left = total - spent();
      return left > 0 ? left : 0;
    },
  };
  hidden(globalThis, 'console', { log: say, info: say, warn: say, error: say, debug: say });
  hidden(globalThis, 'setTimeout', (callback, delay, ...rest) => {
    if (typeof callback !== 'function') throw new TypeErrorOf('setTimeout() expects a function');
    return timer(rest.length === 0 ? callback : () => callback(...rest), Number(delay) || 0);
  });
  hidden(globalThis, 'clearTimeout', (id) => untimer(Number(id) || 0));
  const lateUrl = (name) => defineProperty(globalThis, name, {
    get: () => {
      const shims = loadUrl();
      hidden(globalThis, 'URL', shims.URL);
      hidden(globalThis, 'URLSearchParams', shims.URLSearchParams);
      return shims[name];
    },
    set: (value) => hidden(globalThis, name, value),
    configurable: true,
  });
  lateUrl('URL');
  lateUrl('URLSearchParams');
  return { make, wellFormed, setArgs };
};
