// SPDX-License-Identifier: LGPL-2.1-or-later
// A console through the npm package ws: node console.mjs LOCATION SESSION WHAT. Silent when all is well.
import assert from 'node:assert/strict'
import WebSocket from 'ws'

const [location, session, what] = process.argv.slice(2)
const options = { rejectUnauthorized: false, headers: { cookie: `session_id=${session}` } }

// As noVNC opens it; -> a function that waits for n bytes.
function open(protocols) {
  const socket = new WebSocket(location, protocols, options)
  let ahead = Buffer.alloc(0)
  let wake = () => {}
  socket.on('message', (data, isBinary) => {
    assert.ok(isBinary)
    ahead = Buffer.concat([ahead, data])
    wake()
  })
  const more = () => new Promise((resolve, reject) => {
    wake = resolve
    socket.once('close', code => reject(new Error(`closed: ${code}`)))
  })
  const read = async n => {
    while (ahead.length < n) {
      await more()
    }
    const data = ahead.subarray(0, n)
    ahead = ahead.subarray(n)
    return data
  }
  const until = async text => {
    let seen = ''
    while (!seen.endsWith(text)) {
      seen += (await read(1)).toString('latin1')
    }
    return seen
  }
  return { socket, read, until, opened: new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)) }
}

const closed = socket => new Promise(resolve => socket.on('close', resolve))

const cases = {
  // The handshake of RFB 3.8 in noVNC's steps, and a picture.
  async screen() {
    const { socket, read, opened } = open('binary')
    await opened
    assert.equal(socket.protocol, 'binary')
    assert.equal((await read(12)).toString(), 'RFB 003.008\n')
    socket.send(Buffer.from('RFB 003.008\n'))
    assert.deepEqual([...(await read(2))], [1, 1])
    socket.send(Buffer.from([1]))
    assert.equal((await read(4)).readUInt32BE(), 0)
    socket.send(Buffer.from([1]))
    const init = await read(24)
    const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)]
    await read(init.readUInt32BE(20))
    socket.send(Buffer.from([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]))
    socket.send(Buffer.from([2, 0, 0, 1, 0, 0, 0, 0]))
    socket.send(Buffer.from([3, 0, 0, 0, 0, 0, width >> 8, width, height >> 8, height]))
    const head = await read(16)
    assert.equal(head.readUInt16BE(2), 1)
    assert.equal((await read(width * height * 4)).length, width * height * 4)
    socket.close(1000)
    assert.equal(await closed(socket), 1000)
  },

  async terminal() {
    const { socket, until, opened } = open([])
    await opened
    assert.equal(socket.protocol, '')
    await until('# ')
    socket.send('typed\r') // as text
    await until('\r\ntyped\r\n# ')
    socket.send(Buffer.from('first '), { fin: false })
    socket.send(Buffer.from('last\r'))
    await until('\r\nfirst last\r\n# ')
    const long = 'x'.repeat(200)
    socket.send(Buffer.from(long + '\r'))
    await until(`\r\n${long}\r\n# `)
    const pong = new Promise(resolve => socket.on('pong', resolve))
    socket.ping('there?')
    assert.equal((await pong).toString(), 'there?')
    socket.close(1001, 'leaving')
    assert.equal(await closed(socket), 1001)
  },

  async refused() {
    const { opened } = open('binary')
    await assert.rejects(opened, /Unexpected server response: 401/)
  },
}

await cases[what]()
