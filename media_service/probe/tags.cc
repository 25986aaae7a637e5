#include "probe/tags.h"

#include <cstring>
#include <exception>
#include <memory>

#include <aifffile.h>
#include <apefile.h>
#include <asffile.h>
#include <flacfile.h>
#include <id3v2framefactory.h>
#include <mp4file.h>
#include <mpegfile.h>
#include <oggflacfile.h>
#include <opusfile.h>
#include <speexfile.h>
#include <tfilestream.h>
#include <tpropertymap.h>
#include <trueaudiofile.h>
#include <vorbisfile.h>
#include <wavfile.h>
#include <wavpackfile.h>

namespace
{

using file_ptr = std::unique_ptr<TagLib::File>;

// Properties (bit rate, length) are libav's affair: not read here.
template <class T> file_ptr plain(TagLib::IOStream *stream)
{
    return file_ptr(new T(stream, false));
}

template <class T> file_ptr framed(TagLib::IOStream *stream)
{
    return file_ptr(new T(stream, TagLib::ID3v2::FrameFactory::instance(), false));
}

const struct {
    const char *demuxer;
    const char *codec; // nullptr: any
    file_ptr (*open)(TagLib::IOStream *);
} kinds[] = {
    { "mp3", nullptr, framed<TagLib::MPEG::File> },      { "aac", nullptr, framed<TagLib::MPEG::File> },
    { "flac", nullptr, framed<TagLib::FLAC::File> },     { "ogg", "vorbis", plain<TagLib::Ogg::Vorbis::File> },
    { "ogg", "opus", plain<TagLib::Ogg::Opus::File> },   { "ogg", "flac", plain<TagLib::Ogg::FLAC::File> },
    { "ogg", "speex", plain<TagLib::Ogg::Speex::File> }, { "mov", nullptr, plain<TagLib::MP4::File> },
    { "wav", nullptr, plain<TagLib::RIFF::WAV::File> },  { "aiff", nullptr, plain<TagLib::RIFF::AIFF::File> },
    { "ape", nullptr, plain<TagLib::APE::File> },        { "wv", nullptr, plain<TagLib::WavPack::File> },
    { "asf", nullptr, plain<TagLib::ASF::File> },        { "tta", nullptr, plain<TagLib::TrueAudio::File> },
};

file_ptr open_as(const char *demuxer, const char *codec, TagLib::IOStream *stream)
{
    for (const auto &kind : kinds)
        if (!strcmp(kind.demuxer, demuxer) && (!kind.codec || !strcmp(kind.codec, codec)))
            return kind.open(stream);
    return nullptr;
}

} // namespace

extern "C" bool tags_read(int fd, const char *demuxer, const char *codec, tags_each_fn *each, void *self)
{
    // What a hostile file makes TagLib throw (bad_alloc above all) costs that file its tags.
    try {
        TagLib::FileStream stream(fd, true);
        file_ptr file = open_as(demuxer, codec, &stream);
        if (!file || !file->isValid())
            return false;
        for (const auto &property : file->properties()) {
            const std::string key = property.first.upper().to8Bit(true);
            for (const auto &value : property.second)
                each(self, key.c_str(), value.to8Bit(true).c_str());
        }
        return true;
    } catch (const std::exception &) {
        return false;
    }
}
